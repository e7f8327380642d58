model M
for s in S:
    for t in T[s]:
        data x[s, t] ~ Normal(0, 1)
for t in T:
    data y[t] ~ Normal(0, 1)
