# emdsl fit models/gaussian_mixture_vev.em models/data/faithful.csv --set K=2
model GaussianMixtureVEV(K = 2)
    "Covariances of one shape, each with a volume and orientation of its own (mclust's VEV)."
    "Celeux and Govaert, Pattern Recognition 28 (1995)."

param weight      : simplex[K]
param mean[K]     : real[D]
param volume[K]   : positive
param shape       : shape[D]
param rotation[K] : orthogonal[D]

for n in N:
    latent z[n]   ~ Categorical(weight)
    let    cov[n] = volume[z[n]] * rotation[z[n]] @ diag(shape) @ transpose(rotation[z[n]])
    data   x[n]   : real[D] ~ MvNormal(mean[z[n]], cov[n])
