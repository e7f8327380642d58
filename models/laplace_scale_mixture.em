# emdsl fit models/laplace_scale_mixture.em models/data/newcomb.csv
model LaplaceScaleMixture
    "The Laplace distribution as a normal whose variance was drawn from an exponential."
    "Andrews and Mallows, J. R. Stat. Soc. B 36 (1974); data: Newcomb 1882, Stigler 1977."

param mean : real
param b    : positive

for n in N:
    latent v[n] : positive ~ Exponential(1 / (2 * b^2))
    data   x[n] ~ Normal(mean, var = v[n])
