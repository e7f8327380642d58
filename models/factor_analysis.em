# emdsl fit models/factor_analysis.em models/data/holzinger.csv --set L=3
model FactorAnalysis(L = 2)
    "D variables explained by L unseen normal factors."
    "Rubin and Thayer, Psychometrika 47 (1982); data: Holzinger and Swineford 1939."

param loading : real[D, L]
param bias    : real[D]
param noise   : positive[D]

for n in N:
    latent f[n] : real[L] ~ MvNormal(zeros[L], eye[L])
    data   x[n] : real[D] ~ MvNormal(loading @ f[n] + bias, diag(noise))
