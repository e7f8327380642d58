# emdsl fit models/probabilistic_cca.em models/data/iris.csv --data x=sl,sw --data y=pl,pw --set L=1
model ProbabilisticCCA(L = 1)
    "Canonical correlations: two views share L factors, whatever else moves within each."
    "Bach and Jordan, technical report 688, Berkeley (2005); data: Anderson 1935."

param a     : real[D, L]
param b     : real[E, L]
param mean  : real[D]
param level : real[E]
param V     : posdef[D]
param W     : posdef[E]

for n in N:
    latent f[n] : real[L] ~ MvNormal(zeros[L], eye[L])
    data   x[n] : real[D] ~ MvNormal(a @ f[n] + mean, V)
    data   y[n] : real[E] ~ MvNormal(b @ f[n] + level, W)
