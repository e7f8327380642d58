model M
for s in S:
    for t in T[s]:
        data x[s, t] ~ Normal(t / T, 1)
