model M
for n in N:
    data x[n] ~ Normal(0, 1, q)
