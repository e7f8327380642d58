# emdsl fit models/bernoulli_mixture_map.em models/data/binary_items.csv --set K=3
model BernoulliMixtureMAP(K = 3)
    "A Bernoulli mixture kept off the corners by Dirichlet and Beta priors."
    "Gelman et al., Bayesian Data Analysis (2013), chapter 22; Galindo Garre and Vermunt 2006."

param weight  : simplex[K] ~ Dirichlet(2 * ones[K])
param prob[K] : unit[D] ~ Beta(2, 2)

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : bool[D] ~ Bernoulli(prob[z[n]])
