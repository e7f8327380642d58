model M
for n in N:
    latent z[n] ~ Normal(0, 1)
    data y[n] ~ Normal(z[n], 1)
for m in J:
    data x[m] ~ Normal(z[n], 1)
