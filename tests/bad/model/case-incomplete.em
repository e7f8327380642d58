model M(K = 2)
param w : simplex[K]
for n in N:
    latent z[n] ~ Categorical(w)
    latent y[n] ~ Categorical([0.2, 0.3, 0.5])
    data x[n] ~ case z[n]:
        0: Normal(0, 1)
        1: Normal(1, 1)
    data v[n] ~ case y[n]:
        0: Normal(0, 1)
        2: Normal(1, 1)
