model M
param a : positive
for n in N:
    latent z[n] ~ Gamma(a, 1)
    data   y[n] : bool ~ Delta(z[n] > 2)
