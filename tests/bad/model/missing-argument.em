model M
for n in N:
    data x[n] ~ Normal(0)
    data y[n] ~ Gamma()
    data w[n] ~ Censored(Normal(0, 1))
    data v[n] ~ Truncated()
