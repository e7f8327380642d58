# emdsl check benchmarks/robust_mixture.em
model RobustMixture(K = 2)
    "A mixture of Student's t by EM on the precisions drawn for each row."
    "Peel and McLachlan, Stat. Comput. 10 (2000)."

const nu      = 4
param weight  : simplex[K]
param mu[K]   : real[D]
param cov[K]  : posdef[D]

for n in N:
    latent z[n] ~ Categorical(weight)
    latent u[n] ~ Gamma(nu / 2, nu / 2)
    data   x[n] : real[D] ~ MvNormal(mu[z[n]], cov[z[n]] / u[n])
