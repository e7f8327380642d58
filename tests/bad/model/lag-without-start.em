model M
for t in T:
    latent z[t] ~ Normal(z[t-1], 1)
    data x[t] ~ Normal(z[t], 1)
    data y[t] ~ Normal(y[t-2], 1) if t > 0 else Normal(0, 1)
    latent m[t] ~ Bernoulli(0.5)
    latent w[t] ~ Bernoulli(0.5) if m[t] else Bernoulli([0.1, 0.2][w[t-1]])
    data v[t] ~ Normal(w[t-1], 1) if t != 1 else Normal(0, 1)
