# emdsl fit models/gaussian_mixture_eev.em models/data/faithful.csv --set K=2
model GaussianMixtureEEV(K = 2)
    "Covariances of equal volume and shape, each turned its own way (mclust's EEV)."
    "Celeux and Govaert, Pattern Recognition 28 (1995)."

param weight      : simplex[K]
param mean[K]     : real[D]
param volume      : positive
param shape       : shape[D]
param rotation[K] : orthogonal[D]

for n in N:
    latent z[n]   ~ Categorical(weight)
    let    cov[n] = volume * rotation[z[n]] @ diag(shape) @ transpose(rotation[z[n]])
    data   x[n]   : real[D] ~ MvNormal(mean[z[n]], cov[n])
