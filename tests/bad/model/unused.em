density Q(x : positive; s : positive) = exp(-x / s) / s
model M(K = 2)
param a, b : real
const c = 1
let e = a
for n in N:
    input u[n] : real
    latent z[n] ~ Normal(a, 1)
    data x[n] ~ Normal(a, 1)
