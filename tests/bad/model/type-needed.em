model M
param a
const c
for t in T:
    input u[t]
    latent h[t] ~ MvNormal(h[t-1], Q)
    data x[t] ~ Normal(a + c, 1)
param Q : posdef[D]
