# emdsl fit models/t_mixture_scales.em models/data/faithful.csv --data x=waiting --set K=2
model TMixtureScales(K = 2)
    "A mixture of Student's t as normals of latent scales: a gamma under a discrete latent."
    "Peel and McLachlan, Stat. Comput. 10 (2000)."

const nu     = 4
param weight : simplex[K]
param loc[K] : real
param s2[K]  : positive

for n in N:
    latent z[n] ~ Categorical(weight)
    latent u[n] ~ Gamma(nu / 2, nu / 2)
    data   x[n] ~ Normal(loc[z[n]], var = s2[z[n]] / u[n])
