# emdsl fit models/poisson_mixture_map.em models/data/fetal_lamb_freq.csv --data y=movements
model PoissonMixtureMAP(K = 3)
    "A mixture of Poissons with a Gamma prior, which keeps every rate above zero."
    "Viallefont, Richardson and Green, J. Nonparametr. Stat. 14 (2002)."

param weight  : simplex[K] ~ Dirichlet(2 * ones[K])
param rate[K] : positive ~ Gamma(2, 1)

for n in N times freq[n]:
    latent z[n] ~ Categorical(weight)
    data   y[n] : count ~ Poisson(rate[z[n]])
