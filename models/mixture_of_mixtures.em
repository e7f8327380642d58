# emdsl fit models/mixture_of_mixtures.em models/data/faithful.csv --data x=waiting
model MixtureOfMixtures(K = 2, L = 2)
    "A mixture whose K components are themselves mixtures of L normals."
    "Hastie and Tibshirani, J. R. Stat. Soc. B 58 (1996); Malsiner-Walli et al. 2017."

param weight     : simplex[K]
param inner[K]   : simplex[L]
param mean[K, L] : real
param sd[K]      : positive

for n in N:
    latent z[n] ~ Categorical(weight)
    latent w[n] ~ Categorical(inner[z[n]])
    data   x[n] ~ Normal(mean[z[n], w[n]], sd[z[n]])
