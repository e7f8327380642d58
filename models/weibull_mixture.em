# emdsl fit models/weibull_mixture.em models/data/faithful.csv --data x=waiting --set K=2
model WeibullMixture(K = 2)
    "A mixture of Weibulls."
    "Jiang and Kececioglu, IEEE Trans. Reliab. 41 (1992)."

param weight   : simplex[K]
param shape[K] : positive
param scale[K] : positive

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Weibull(shape[z[n]], scale[z[n]])
