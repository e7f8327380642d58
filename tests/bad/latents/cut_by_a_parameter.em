model M
param m, threshold : real
for n in N:
    latent z[n] ~ Normal(m, 1)
    data   y[n] : bool ~ Delta(z[n] > threshold)
