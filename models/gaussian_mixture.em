# emdsl fit models/gaussian_mixture.em models/data/faithful.csv --set K=2
model GaussianMixture(K = 2)
    "A mixture of K multivariate normals with full covariances."
    "Dempster, Laird and Rubin, J. R. Stat. Soc. B 39 (1977); Bishop 2006, section 9.2."

param weight  : simplex[K]
param mean[K] : real[D]
param cov[K]  : posdef[D]

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : real[D] ~ MvNormal(mean[z[n]], cov[z[n]])
