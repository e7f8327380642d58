model M
for n in N:
    latent z[n] ~ Normal(0, 1)
    input u[n] : real
