model M(K = 2)
param mean[K] : real
param s : positive
for n in N:
    latent z[n] ~ Normal(0, 1)
    let e[n] = z[n] + 1
    data x[n] ~ Normal(z, s[0])
    data y[n] ~ Normal(mean[0, 1], 1)
    data w[n] ~ Normal(e[n, n], K[0])
