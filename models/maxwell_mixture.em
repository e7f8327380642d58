# emdsl fit models/maxwell_mixture.em models/data/coal_intervals.csv --set K=2
# The last number is sqrt(pi / 2).
density Maxwell(v : positive; a : positive) = v^2 / a^3 * exp(-v^2 / (2 * a^2)) / 1.2533141373155003

model MaxwellMixture(K = 2)
    "Speeds of a gas of K temperatures: a mixture of Maxwell-Boltzmann densities."
    "Maxwell, Phil. Mag. 19 (1860)."

param weight : simplex[K]
param a[K]   : positive

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Maxwell(a[z[n]])
