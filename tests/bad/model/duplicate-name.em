model M(K = 2)
param m : real
param K : real
for n in N:
    data m[n] ~ Normal(0, 1)
    data x[n] ~ Normal(mm, 1)
    for n in N:
        data y[n, n] ~ Normal(0, 1)
for m in L:
    data w[m] ~ Normal(0, 1)
density Q(x : real; m : real, m : real) = x
