model M
for n in N:
    data x[n] ~ Normal(0, 1, mean = 2)
    data y[n] ~ Normal(0, var = 1, var = 2)
