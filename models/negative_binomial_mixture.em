# emdsl fit models/negative_binomial_mixture.em models/data/quine.csv --data y=days --set K=2
model NegativeBinomialMixture(K = 2)
    "A mixture of negative binomials, each with its mean and its scatter."
    "Park and Lord, Accid. Anal. Prev. 41 (2009); data: Quine 1978."

param weight        : simplex[K]
param mu[K], phi[K] : positive

for n in N:
    latent z[n] ~ Categorical(weight)
    data   y[n] : count ~ NegativeBinomial(mu = mu[z[n]], phi = phi[z[n]])
