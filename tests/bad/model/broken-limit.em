model Broken
param r : positive
for n in N:
    input c[n] : real
    data x[n] ~ Censored(Poisson(r), upper = 2.5)
    data y[n] ~ Truncated(Poisson(r), lower = c[n])
