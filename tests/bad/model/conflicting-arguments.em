model M
for n in N:
    data x[n] ~ Normal(0, sd = 1, var = 2)
    data y[n] ~ Normal(0, 1, precision = 2)
    data w[n] ~ Normal(0, var = 1, precision = 2)
