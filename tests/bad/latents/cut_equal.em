model M
param m : real
for n in N:
    latent z[n] ~ Normal(m, 1)
    data   y[n] : bool ~ Delta(z[n] == 2)
