model M
param s : positive
for n in N:
    latent f[n] ~ Normal(0, 1)
    latent g[n] ~ Normal(0, 1)
    latent h[n] ~ Normal(0, 1)
    data x[n] ~ Normal(f[n] * g[n] * h[n], s)
