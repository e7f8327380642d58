# emdsl fit models/restricted_likelihood.em models/data/dyestuff.csv \
#     --data group=batch --data y=yield
model RestrictedLikelihood
    "REML: variance components; the mean is integrated out under a wide prior, not estimated."
    "Harville, Biometrika 61 (1974); data: Davies 1947."

param tau, sigma : positive

latent mean ~ Normal(0, 1e5)

for g in G:
    latent b[g] ~ Normal(mean, tau)

for n in N:
    input group[n] : index[G]
    data  y[n]     ~ Normal(b[group[n]], sigma)
