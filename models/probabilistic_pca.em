# emdsl fit models/probabilistic_pca.em models/data/iris.csv --data x=sl,sw,pl,pw --set L=1
model ProbabilisticPCA(L = 1)
    "Principal components as a factor analysis of equal noise."
    "Tipping and Bishop, J. R. Stat. Soc. B 61 (1999); data: Anderson 1935."

param loading : real[D, L]
param mean    : real[D]
param noise   : positive

for n in N:
    latent f[n] : real[L] ~ MvNormal(zeros[L], eye[L])
    data   x[n] : real[D] ~ MvNormal(loading @ f[n] + mean, noise * eye[D])
