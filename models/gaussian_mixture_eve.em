# emdsl fit models/gaussian_mixture_eve.em models/data/faithful.csv --set K=2
model GaussianMixtureEVE(K = 2)
    "Covariances of equal volume and common axes, each with a shape of its own (mclust's EVE)."
    "Browne and McNicholas, Adv. Data Anal. Classif. 8 (2014); Flury and Gautschi 1986."

param weight   : simplex[K]
param mean[K]  : real[D]
param volume   : positive
param shape[K] : shape[D]
param rotation : orthogonal[D]

for n in N:
    latent z[n]   ~ Categorical(weight)
    let    cov[n] = volume * rotation @ diag(shape[z[n]]) @ transpose(rotation)
    data   x[n]   : real[D] ~ MvNormal(mean[z[n]], cov[n])
