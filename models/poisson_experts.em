# emdsl fit models/poisson_experts.em models/data/patent.csv \
#     --data u=one,lgRD --data v=one,RDS --data y=Patents --set K=3
model PoissonExperts(K = 2)
    "Mixture of Poisson regressions; covariates of its own decide which one holds."
    "Wang, Cockburn and Puterman, J. Bus. Econ. Stat. 16 (1998): patents of 70 firms."

param gate[K] : real[Q]
param beta[K] : real[P]

for n in N:
    input  v[n] : real[Q]
    input  u[n] : real[P]
    latent z[n] ~ Categorical(softmax(gate @ v[n]))
    data   y[n] : count ~ Poisson(log = dot(beta[z[n]], u[n]))
