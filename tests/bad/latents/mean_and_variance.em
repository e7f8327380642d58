model M
param a, b : positive
for n in N:
    latent u[n] ~ Gamma(a, b)
    data x[n] ~ Normal(u[n], var = 1 / u[n])
