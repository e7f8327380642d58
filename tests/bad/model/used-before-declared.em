model M
for n in N:
    data x[n] ~ Normal(z[n], 1)
    latent z[n] ~ Normal(0, 1)
const a = b + 1
const b = 2
