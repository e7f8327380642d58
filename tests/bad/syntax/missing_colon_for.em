model M
for n in N
    data x[n] ~ Normal(0, 1)
    data y[n] ~ Normal(0 1)
for t in T[s] times f
    data z[t] ~ Normal(0, 1)
