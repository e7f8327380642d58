# emdsl fit models/rayleigh_mixture.em models/data/coal_intervals.csv --set K=2
model RayleighMixture(K = 2)
    "A mixture of K Rayleighs: amplitudes of scattered waves."
    "Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions (1994), chapter 18."

param weight   : simplex[K]
param scale[K] : positive

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Rayleigh(scale[z[n]])
