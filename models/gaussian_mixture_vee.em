# emdsl fit models/gaussian_mixture_vee.em models/data/faithful.csv --set K=2
model GaussianMixtureVEE(K = 2)
    "Covariances of one shape and orientation, each with a volume of its own (mclust's VEE)."
    "Celeux and Govaert, Pattern Recognition 28 (1995)."

param weight    : simplex[K]
param mean[K]   : real[D]
param volume[K] : positive
param shape     : shape[D]
param rotation  : orthogonal[D]

for n in N:
    latent z[n]   ~ Categorical(weight)
    let    cov[n] = volume[z[n]] * rotation @ diag(shape) @ transpose(rotation)
    data   x[n]   : real[D] ~ MvNormal(mean[z[n]], cov[n])
