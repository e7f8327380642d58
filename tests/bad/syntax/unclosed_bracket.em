model M
param cov[K : posdef[D]
for n in N:
    data x[n] ~ Normal(0, (1 + 2)
    data y[n] ~ Normal(0, 1)
