# emdsl fit models/generalised_normal_mixture.em models/data/faithful.csv --data x=waiting --set K=2
model GeneralisedNormalMixture(K = 2)
    "Components whose peaks are anything from Laplace's to flat: the shape of each is estimated."
    "Subbotin 1923; Nadarajah, J. Appl. Stat. 32 (2005)."

param weight   : simplex[K]
param loc[K]   : real
param scale[K] : positive
param shape[K] : positive

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ GeneralizedNormal(loc[z[n]], scale[z[n]], shape[z[n]])
