# emdsl fit models/gaussian_mixture_vve.em models/data/faithful.csv --set K=2
model GaussianMixtureVVE(K = 2)
    "Covariances with common axes, each with a volume and shape of its own (mclust's VVE)."
    "Browne and McNicholas, Adv. Data Anal. Classif. 8 (2014); Flury and Gautschi 1986."

param weight    : simplex[K]
param mean[K]   : real[D]
param volume[K] : positive
param shape[K]  : shape[D]
param rotation  : orthogonal[D]

for n in N:
    latent z[n]   ~ Categorical(weight)
    let    cov[n] = volume[z[n]] * rotation @ diag(shape[z[n]]) @ transpose(rotation)
    data   x[n]   : real[D] ~ MvNormal(mean[z[n]], cov[n])
