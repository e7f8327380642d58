model M
for n in N:
data x[n] ~ Normal(0, 1)
latent k ~ case j:
param s : real
for m in M:
    for l in L:
