# emdsl fit models/bernoulli_mixture.em models/data/binary_items.csv --set K=2
model BernoulliMixture(K = 2)
    "A mixture of K products of Bernoullis: binary latent class analysis."
    "Lazarsfeld and Henry, Latent Structure Analysis (1968); Bishop 2006, section 9.3.3."

param weight  : simplex[K]
param prob[K] : unit[D]

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : bool[D] ~ Bernoulli(prob[z[n]])
