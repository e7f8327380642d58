# emdsl fit models/zero_inflated_rates.em models/data/quine.csv --data y=days
model ZeroInflatedRates
    "Counts that are zero for certain or come at a rate that differs: negative binomial and zeros."
    "Greene, working paper 94-10, NYU (1994); data: Quine 1978."

param p    : unit
param a, b : positive

for n in N:
    latent active[n] ~ Bernoulli(p)
    latent rate[n]   ~ Gamma(a, b)
    data   y[n]      : count ~ Poisson(rate[n]) if active[n] else Delta(0)
