model M
param mu : real
param a, b, k : positive
for g in G:
    latent tau[g] ~ Gamma(a, b)
    latent m[g] ~ Normal(mu, var = 1 / (k * tau[g]))
    for n in N[g]:
        data x[g, n] ~ Normal(m[g], var = 1 / tau[g])
