model M
param q, r : positive
for t in T times w[t]:
    latent z[t] ~ Normal(0, 1) if t == 0 else Normal(z[t-1], q)
    data x[t] ~ Normal(z[t], r)
