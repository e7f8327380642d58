model M
param m : real
for n in N:
    latent z[n] ~ Normal(m, 1)
    for j in J:
        input c[n, j] : real
        data  y[n, j] : bool ~ Delta(z[n] > c[n, j])
