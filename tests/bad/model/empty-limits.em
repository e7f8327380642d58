model Empty
const top = 3
for n in N:
    data x[n] ~ Censored(Normal(0, 1), lower = 2, upper = 1)
    data y[n] ~ Truncated(Normal(0, 1), lower = 3, upper = top)
