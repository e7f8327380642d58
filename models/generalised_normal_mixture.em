# emdsl fit models/generalised_normal_mixture.em models/data/faithful.csv --data x=waiting --set K=2
model GeneralisedNormalMixture(K = 2)
    "Components with peaks as sharp as Laplace's, or flat: the shape of each is estimated."
    "Subbotin 1923; Nadarajah, J. Appl. Stat. 32 (2005)."

param weight   : simplex[K]
param loc[K]   : real
param scale[K] : positive
param shape[K] : positive ~ Gamma(4, 2)  # about the normal's, 2

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ GeneralizedNormal(loc[z[n]], scale[z[n]], shape[z[n]])
