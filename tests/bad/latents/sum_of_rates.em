model M
param a, b : positive
for n in N:
    latent u[n] ~ Gamma(a, b)
    latent v[n] ~ Gamma(b, a)
    data y[n] ~ Poisson(u[n] + v[n])
