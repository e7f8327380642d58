model M
param a, b, w : real
for n in N:
    latent f[n] ~ Normal(0, 1)
    latent z[n] ~ Bernoulli(logit = a + b * f[n])
    data x[n] ~ Normal(w * z[n], 1)
