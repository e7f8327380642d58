model M
param a : real[0]
param b : real[D + 1]
for s in S:
    data x[s] : real[T[s]] ~ Normal(0, 1)
    for t in U[q]:
        data y[s, t] ~ Normal(0, 1)
