model M
param m   : real
param tau : positive
for g in G:
    latent b[g] ~ Normal(m, tau)
for n in N:
    input  group[n] : index[G]
    latent z[n] ~ Normal(b[group[n]], 1)
    data   y[n] : bool ~ Delta(z[n] > 0)
