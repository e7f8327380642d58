model M
latent u ~ Normal(0, 1)
param m : real ~ Normal(u, 1)
for n in N:
    data x[n] ~ Normal(m, 1)
