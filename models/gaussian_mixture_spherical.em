# emdsl fit models/gaussian_mixture_spherical.em models/data/faithful.csv --set K=2
model SphericalGaussianMixture(K = 2)
    "A mixture of K normals, each with one variance for all coordinates."
    "Celeux and Govaert, Pattern Recognition 28 (1995); mclust's VII."

param weight  : simplex[K]
param mean[K] : real[D]
param var[K]  : positive

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : real[D] ~ Normal(mean[z[n]], var = var[z[n]])
