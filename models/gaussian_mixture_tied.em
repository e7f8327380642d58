# emdsl fit models/gaussian_mixture_tied.em models/data/faithful.csv --set K=2
model TiedGaussianMixture(K = 2)
    "A mixture of K multivariate normals that share one full covariance."
    "Celeux and Govaert, Pattern Recognition 28 (1995); mclust's EEE."

param weight  : simplex[K]
param mean[K] : real[D]
param cov     : posdef[D]

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : real[D] ~ MvNormal(mean[z[n]], cov)
