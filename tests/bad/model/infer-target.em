model M
param m : real
for n in N:
    latent z[n] ~ Normal(0, 1)
    data x[n] ~ Normal(z[n] + m, 1)
infer m, x using meanfield
