# emdsl fit models/lognormal_mixture.em models/data/faithful.csv --data x=eruptions --set K=2
model LogNormalMixture(K = 2)
    "A mixture of K log-normals."
    "Titterington, Smith and Makov, Statistical Analysis of Finite Mixture Distributions (1985)."

param weight   : simplex[K]
param mu[K]    : real
param sigma[K] : positive

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ LogNormal(mu[z[n]], sigma[z[n]])
