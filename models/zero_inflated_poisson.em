# emdsl fit models/zero_inflated_poisson.em models/data/biochemists.csv --data y=art
model ZeroInflatedPoisson
    "Counts with more zeros than a Poisson has: some of the counted never could."
    "Lambert, Technometrics 34 (1992)."

param p    : unit
param rate : positive

for n in N:
    latent active[n] ~ Bernoulli(p)
    data   y[n]      : count ~ Poisson(rate) if active[n] else Delta(0)
