# emdsl fit models/pooled_covariances.em models/data/iris_groups.csv
model PooledCovariances
    "Each group's covariance drawn from an inverse Wishart: how far to pool them, data say."
    "Greene and Rayens, Commun. Stat. Theory Methods 18 (1989); data: Anderson 1935."

param mean[G] : real[D]
param spare   : positive
param scale   : posdef[D]

for g in G:
    latent cov[g] : posdef[D] ~ InverseWishart(D + 1 + spare, spare * scale)

for n in N:
    input group[n] : index[G]
    data  x[n]     : real[D] ~ MvNormal(mean[group[n]], cov[group[n]])
