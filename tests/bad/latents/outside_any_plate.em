model M
param p : unit
param s : positive
latent z ~ Bernoulli(p)
for n in N:
    data x[n] ~ Normal(2 * z, s)
