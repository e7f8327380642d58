model LocalLevel

param m0 : real
param s0, q, r : positive

for t in T:
    latent z[t] ~ Normal(m0, s0) if t == 0 else Normal(z[t-1], q)
    data   y[t] ~ Normal(z[t], r)
