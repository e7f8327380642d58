model M
param mu : real
param s, t : positive
for g in G times c[g]:
    latent b[g] ~ Normal(mu, t)
for n in N:
    input group[n] : index[G]
    data x[n] ~ Normal(b[group[n]], s)
