# emdsl fit models/t_mixture.em models/data/faithful.csv --data x=waiting --set K=2
model TMixture(K = 2)
    "A mixture of Student's t of known degrees of freedom: tails that outliers fit into."
    "Peel and McLachlan, Stat. Comput. 10 (2000)."

const nu       = 4
param weight   : simplex[K]
param loc[K]   : real
param scale[K] : positive

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ StudentT(nu, loc[z[n]], scale[z[n]])
