model M
for n in N:
    data x[n] ~ Normal(exp, 1)
