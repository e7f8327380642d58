model M
for n in N:
    data x[n] ~ Normal(0, sdd = 1)
    data y[n] ~ Normal(0, 1, weight = 2)
