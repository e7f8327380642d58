# emdsl fit models/gamma_mixture.em models/data/faithful.csv --data x=waiting --set K=2
model GammaMixture(K = 2)
    "A mixture of gammas."
    "Wiper, Rios Insua and Ruggeri, J. Comput. Graph. Stat. 10 (2001)."

param weight   : simplex[K]
param shape[K] : positive
param rate[K]  : positive

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Gamma(shape[z[n]], rate[z[n]])
