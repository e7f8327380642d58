model M
for n in N:
    latent z[n] ~ Normal(0, 1)
    data x[n] ~ Normal(z[n], 1)
infer z using quadrature(0)
