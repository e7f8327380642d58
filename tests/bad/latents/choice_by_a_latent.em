model M
param a, b : positive
for n in N:
    latent f[n] ~ Normal(0, 1)
    data x[n] ~ Normal(0, a) if f[n] > 0 else Normal(1, b)
