model M
param b, s : positive
for n in N:
    latent f[n] ~ Laplace(0, b)
    data x[n] ~ Normal(f[n], s)
