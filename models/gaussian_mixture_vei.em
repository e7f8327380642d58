# emdsl fit models/gaussian_mixture_vei.em models/data/faithful.csv --set K=2
model GaussianMixtureVEI(K = 2)
    "Diagonal covariances of one shape, each component with a volume of its own (mclust's VEI)."
    "Celeux and Govaert, Pattern Recognition 28 (1995)."

param weight    : simplex[K]
param mean[K]   : real[D]
param volume[K] : positive
param shape     : shape[D]

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : real[D] ~ Normal(mean[z[n]], var = volume[z[n]] * shape)
