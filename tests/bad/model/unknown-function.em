model M
param a : real
for n in N:
    data x[n] ~ Normal(expp(a), 1)
    data y[n] ~ Normal(a(2), 1)
