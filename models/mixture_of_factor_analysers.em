# emdsl fit models/mixture_of_factor_analysers.em models/data/banknote.csv \
#     --data x=Length,Left,Right,Bottom,Top,Diagonal
model MixtureOfFactorAnalysers(K = 2, L = 1)
    "Classes whose covariances are of few factors, beside noise that they share."
    "Ghahramani and Hinton, technical report CRG-TR-96-1, Toronto (1996); data: Flury 1988."

param weight     : simplex[K]
param mean[K]    : real[D]
param loading[K] : real[D, L]
param noise      : positive[D]

for n in N:
    latent z[n] ~ Categorical(weight)
    latent f[n] : real[L] ~ MvNormal(zeros[L], eye[L])
    data   x[n] : real[D] ~ MvNormal(loading[z[n]] @ f[n] + mean[z[n]], diag(noise))
