# emdsl fit models/gaussian_mixture_tied_diagonal.em models/data/faithful.csv --set K=2
model TiedDiagonalGaussianMixture(K = 2)
    "A mixture of K normals that share one diagonal covariance."
    "Celeux and Govaert, Pattern Recognition 28 (1995); mclust's EEI."

param weight  : simplex[K]
param mean[K] : real[D]
param var     : positive[D]

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : real[D] ~ Normal(mean[z[n]], var = var)
