# emdsl fit models/gaussian_mixture_evv.em models/data/faithful.csv --set K=2
model GaussianMixtureEVV(K = 2)
    "Covariances of equal volume, each with a shape and orientation of its own (mclust's EVV)."
    "Celeux and Govaert, Pattern Recognition 28 (1995)."

param weight      : simplex[K]
param mean[K]     : real[D]
param volume      : positive
param shape[K]    : shape[D]
param rotation[K] : orthogonal[D]

for n in N:
    latent z[n]   ~ Categorical(weight)
    let    cov[n] = volume * rotation[z[n]] @ diag(shape[z[n]]) @ transpose(rotation[z[n]])
    data   x[n]   : real[D] ~ MvNormal(mean[z[n]], cov[n])
