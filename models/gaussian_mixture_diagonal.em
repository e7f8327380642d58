# emdsl fit models/gaussian_mixture_diagonal.em models/data/faithful.csv --set K=2
model DiagonalGaussianMixture(K = 2)
    "A mixture of K normals with diagonal covariances; missing cells drop out."
    "Celeux and Govaert, Pattern Recognition 28 (1995); mclust's VVI."

param weight  : simplex[K]
param mean[K] : real[D]
param var[K]  : positive[D]

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : real[D] ~ Normal(mean[z[n]], var = var[z[n]])
