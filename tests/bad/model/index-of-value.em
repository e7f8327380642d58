model M
param v : real[2]
let e = v + 1
for n in N:
    data x[n] ~ Normal((v + v)[0], 1)
    data y[n] ~ Normal(e[1], 1)
    latent z[n] ~ Bernoulli(0.5)
    data w[n] ~ Normal([1, 2, 3][z[n]], [1, 2][z[n], 0])
