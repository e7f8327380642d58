model CrossedEffects

param mu : real
param tau_p, tau_q, sigma : positive

for p in P:
    latent a[p] ~ Normal(0, tau_p)
for q in Q:
    latent b[q] ~ Normal(0, tau_q)
for r in R:
    input person[r] : index[P]
    input item[r]   : index[Q]
    data  y[r]      ~ Normal(mu + a[person[r]] + b[item[r]], sigma)
