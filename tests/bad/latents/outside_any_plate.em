model M
param s, t : positive
latent m ~ Normal(0, t)
for n in N:
    data x[n] ~ Normal(m, s)
