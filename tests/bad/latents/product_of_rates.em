model M
param a : positive
for n in N:
    latent u[n] ~ Gamma(a, a)
    latent v[n] ~ Gamma(a, a)
    data y[n] ~ Poisson(u[n] * v[n])
