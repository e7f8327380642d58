model M
param m, s : positive
for t in T:
    latent h[t] ~ Normal(m, s) if t == 0 else Normal(h[t-1], s)
    data x[t] ~ Normal(0, exp(h[t] / 2))
