model M
for g in G:
    param b[g] : real
    for n in N:
        data x[g, n] ~ Normal(b[g], 1)
