model M
for t in T:
    latent z[t] ~ Normal(0, 1) if t = 0 else Normal(z[t-1], 1)
    latent w[t] ~ Normal(0, 1) if t == 0
