# emdsl fit models/gaussian_mixture_map.em models/data/faithful.csv --set K=3
model GaussianMixtureMAP(K = 3)
    "A Gaussian mixture whose covariances an inverse Wishart prior keeps from collapsing."
    "Fraley and Raftery, J. Classif. 24 (2007)."

param weight  : simplex[K] ~ Dirichlet(2 * ones[K])
param mean[K] : real[D]
param cov[K]  : posdef[D] ~ InverseWishart(D + 2, eye[D])

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : real[D] ~ MvNormal(mean[z[n]], cov[z[n]])
