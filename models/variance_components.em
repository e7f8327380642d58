# emdsl fit models/variance_components.em models/data/dyestuff.csv \
#     --data group=batch --data y=yield
model VarianceComponents
    "One-way random effects: how much batches differ, and how much samples of a batch."
    "Searle, Casella and McCulloch, Variance Components (1992); data: Davies 1947."

param mean       : real
param tau, sigma : positive

for g in G:
    latent b[g] ~ Normal(mean, tau)

for n in N:
    input group[n] : index[G]
    data  y[n]     ~ Normal(b[group[n]], sigma)
