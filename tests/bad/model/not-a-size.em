model M
param D : real
for n in N:
    data x[n] : real[D] ~ Normal(0, 1)
    data y[n] : real[n] ~ Normal(0, 1)
