model M
param a, b : positive
for n in N:
    latent p[n] : unit ~ Beta(a, b)
    data y[n] ~ Geometric(p[n])
    data z[n] ~ Exponential(p[n])
