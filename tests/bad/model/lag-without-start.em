model M
for t in T:
    latent z[t] ~ Normal(z[t-1], 1)
    data x[t] ~ Normal(z[t], 1)
    data y[t] ~ Normal(y[t-2], 1) if t > 0 else Normal(0, 1)
