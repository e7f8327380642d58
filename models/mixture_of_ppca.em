# emdsl fit models/mixture_of_ppca.em models/data/iris.csv --data x=sl,sw,pl,pw --set K=3
model MixtureOfPPCA(K = 2, L = 1)
    "Principal components of each class."
    "Tipping and Bishop, Neural Comput. 11 (1999); data: Anderson 1935."

param weight     : simplex[K]
param mean[K]    : real[D]
param loading[K] : real[D, L]
param noise[K]   : positive

for n in N:
    latent z[n] ~ Categorical(weight)
    latent f[n] : real[L] ~ MvNormal(zeros[L], eye[L])
    data   x[n] : real[D] ~ MvNormal(loading[z[n]] @ f[n] + mean[z[n]], noise[z[n]] * eye[D])
