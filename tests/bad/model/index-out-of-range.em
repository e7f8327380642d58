model M(K = 2)
param mean[3] : real
param rate[K] : real
const cell = [0, 1, 3]
for n in N:
    latent z[n] ~ Categorical([0.2, 0.3, 0.5])
    data x[n] ~ Normal(mean[3], 1)
    data y[n] ~ Normal(x[n + 1], 1)
    data w[n] ~ Normal(mean[-1] + rate[K], 1)
    data v[n] ~ Normal(mean[cell[z[n]]], 1)
