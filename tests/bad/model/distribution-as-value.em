model M
for n in N:
    data x[n] ~ Normal(Gamma(1, 1), 1)
    data y[n] ~ Normal(Gamma, 1)
