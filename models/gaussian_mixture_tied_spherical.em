# emdsl fit models/gaussian_mixture_tied_spherical.em models/data/faithful.csv --set K=2
model TiedSphericalGaussianMixture(K = 2)
    "A mixture of K normals that share one variance: k-means with soft edges."
    "Celeux and Govaert, Pattern Recognition 28 (1995); mclust's EII."

param weight  : simplex[K]
param mean[K] : real[D]
param var     : positive

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : real[D] ~ Normal(mean[z[n]], var = var)
