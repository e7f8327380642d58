model M
for g in G:
    data y[g] ~ Normal(0, 1)
for n in N:
    data x[n] : index[G] ~ Categorical([0.5, 0.5])
