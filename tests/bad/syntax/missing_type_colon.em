model M
param x real
latent z[n] real ~ Normal(0, 1)
