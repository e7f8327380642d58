# emdsl check benchmarks/factor_analysers.em
model FactorAnalysers(K = 2, L = 1)
    "A mixture of factor analysers with one noise for all."
    "Ghahramani and Hinton, The EM algorithm for mixtures of factor analyzers (1996)."

param weight     : simplex[K]
param loading[K] : real[D, L]
param mu[K]      : real[D]
param noise      : positive[D]

for n in N:
    latent z[n] ~ Categorical(weight)
    latent f[n] : real[L] ~ MvNormal(zeros[L], eye[L])
    data   x[n] : real[D] ~ MvNormal(loading[z[n]] @ f[n] + mu[z[n]], diag(noise))
