# emdsl fit models/gaussian_mixture_evi.em models/data/faithful.csv --set K=2
model GaussianMixtureEVI(K = 2)
    "Diagonal covariances of equal volume, each component with a shape of its own (mclust's EVI)."
    "Celeux and Govaert, Pattern Recognition 28 (1995)."

param weight   : simplex[K]
param mean[K]  : real[D]
param volume   : positive
param shape[K] : shape[D]

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : real[D] ~ Normal(mean[z[n]], var = volume * shape[z[n]])
