# emdsl fit models/normal_mixture.em models/data/faithful.csv --data x=waiting --set K=2
model NormalMixture(K = 2)
    "A mixture of K univariate normals."
    "McLachlan and Peel, Finite Mixture Models (2000), section 3.2."

param weight  : simplex[K]
param mean[K] : real
param sd[K]   : positive

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Normal(mean[z[n]], sd[z[n]])
