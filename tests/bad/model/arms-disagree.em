model M
for n in N:
    data x[n] ~ Normal(0, 1) if n == 0 else Poisson(3)
