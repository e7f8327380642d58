# emdsl fit models/crossed_effects.em models/data/penicillin.csv --data y=diameter
model CrossedEffects
    "Every plate and every sample has an effect, and each sample is on each plate."
    "Davies and Goldsmith, Statistical Methods in Research and Production (1972)."

param mean : real
param plates, samples, assays : positive

for p in P:
    latent a[p] ~ Normal(0, plates)

for s in S:
    latent b[s] ~ Normal(0, samples)

for n in N:
    input plate[n]  : index[P]
    input sample[n] : index[S]
    data  y[n]      ~ Normal(mean + a[plate[n]] + b[sample[n]], assays)
