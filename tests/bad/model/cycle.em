model M
let p = q + 1
let q = p
param u : real ~ Normal(v, 1)
param v : real ~ Normal(u, 1)
for n in N:
    latent a[n] ~ Normal(b[n], 1)
    latent b[n] ~ Normal(a[n], 1)
    latent c[n] : real ~ Normal(c[n], 1)
    data x[n] ~ Normal(a[n] + b[n] + c[n] + p + u, 1)
