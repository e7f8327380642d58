# emdsl fit models/inverse_gaussian_mixture.em models/data/faithful.csv --data x=waiting --set K=2
model InverseGaussianMixture(K = 2)
    "A mixture of K inverse Gaussians (Wald): first passage times of a drifting Brownian motion."
    "Tweedie, Ann. Math. Stat. 28 (1957)."

param weight   : simplex[K]
param mean[K]  : positive
param shape[K] : positive

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ InverseGaussian(mean[z[n]], shape[z[n]])
