model M
param a : positive
for t in T:
    latent u[t] ~ Gamma(a, a) if t == 0 else Gamma(a, a / u[t-1])
    data y[t] ~ Poisson(u[t])
