# emdsl fit models/von_mises_mixture.em models/data/turtles.csv --set K=2
model VonMisesMixture(K = 2)
    "Angles in clusters."
    "Mardia and Sutton, J. R. Stat. Soc. B 37 (1975); data: Stephens 1969, Mardia 1972."

param weight   : simplex[K]
param mu[K]    : real
param kappa[K] : positive

for n in N:
    latent z[n]     ~ Categorical(weight)
    data   angle[n] ~ VonMises(mu[z[n]], kappa[z[n]])
