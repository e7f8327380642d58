model M(K = 2)
param mean[K] : real
for n in N:
    latent z[n] ~ Normal(0, 1)
    data x[n] ~ Normal(mean[z[n]], 1)
    data y[n] ~ Normal(mean[2 * n], 1)
    data w[n] ~ Normal(mean[0.5], mean[mean])
