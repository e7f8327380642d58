# emdsl fit models/laplace_mixture.em models/data/faithful.csv --data x=waiting --set K=2
model LaplaceMixture(K = 2)
    "A mixture of Laplaces: each location is a weighted median."
    "Laplace 1774; Song, Yao and Xing, Comput. Stat. Data Anal. 71 (2014)."

param weight   : simplex[K]
param loc[K]   : real
param scale[K] : positive

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Laplace(loc[z[n]], scale[z[n]])
