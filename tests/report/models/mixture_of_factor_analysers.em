model MixtureOfFactorAnalysers(K = 2, L = 2)

param weight     : simplex[K]
param loading[K] : real[D, L]
param bias[K]    : real[D]
param noise      : positive[D]

for n in N:
    latent z[n] ~ Categorical(weight)
    latent f[n] : real[L] ~ MvNormal(zeros[L], eye[L])
    data   x[n] : real[D] ~ MvNormal(loading[z[n]] @ f[n] + bias[z[n]], diag(noise))
