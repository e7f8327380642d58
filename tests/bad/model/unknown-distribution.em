model M
param m : real
for n in N:
    data x[n] ~ Norml(m, s)
    data y[n] ~ Gaussian(m, 1)
    data z[n] ~ Mystery(m)
