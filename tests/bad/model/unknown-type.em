model M
param m : reel
for n in N:
    data x[n] ~ Normal(m, 1)
    data y[n] : float ~ Normal(0, 1)
