model M
for n in N:
    latent z ~ Normal(0, 1)
    for m in J:
        data x[m, n] ~ Normal(z[n], 1)
data y[n] ~ Normal(0, 1)
