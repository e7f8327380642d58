model M
param m : real
for n in N:
    latent z[n] ~ Categorical([0.5, 0.5])
    data x[n] ~ Normal(0, 1) if z[n] else Normal(1, 1)
    data y[n] ~ Normal(0 if m else 1, 1)
    data w[n] ~ Normal(0, 1) if not m and z[n] == 1 else Normal(1, 1)
