# emdsl fit models/mixture_of_poisson_regressions.em models/data/patent.csv \
#     --data u=one,lgRD --data y=Patents --set K=3
model MixtureOfPoissonRegressions(K = 2)
    "K log-linear rates, each count by one of them."
    "Wang, Cockburn and Puterman, J. Bus. Econ. Stat. 16 (1998): patents of 70 firms."

param weight  : simplex[K]
param beta[K] : real[P]

for n in N:
    input  u[n] : real[P]
    latent z[n] ~ Categorical(weight)
    data   y[n] : count ~ Poisson(log = dot(beta[z[n]], u[n]))
