model M
param a : real
param s : positive
for n in N:
    latent f[n] ~ Normal(0, 1)
    data x[n] ~ Normal(a * f[n]^2, s)
