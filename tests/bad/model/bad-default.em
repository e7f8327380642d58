model M(K = 0, L = 1.5)
param a : real[K, L]
for n in N:
    data x[n] ~ Normal(sum(a), 1)
