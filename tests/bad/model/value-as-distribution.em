model M
param m : real
for n in N:
    data x[n] ~ m + 1
    data y[n] ~ Normal
    data w[n] ~ exp(m)
