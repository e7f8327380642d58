model M
param s : positive
param d : real[J]
for i in I:
    latent a[i] ~ Normal(0, s)
    for j in J:
        data y[i, j] ~ Bernoulli(logit = a[i] - d[j])
