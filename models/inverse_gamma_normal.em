# emdsl fit models/inverse_gamma_normal.em models/data/newcomb.csv
model InverseGammaNormal
    "Measurements whose variances differ as an inverse gamma."
    "Jeffreys, Theory of Probability (1939); data: Newcomb 1882, Stigler 1977."

param mean : real
param a, b : positive

for n in N:
    latent v[n] ~ InverseGamma(a, b)
    data   x[n] ~ Normal(mean, var = v[n])
