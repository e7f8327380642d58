# emdsl fit models/multinomial_mixture.em models/data/word_counts.csv --set K=2
model MultinomialMixture(K = 2)
    "A mixture of K multinomials: documents as bags of words, one topic each."
    "Nigam, McCallum, Thrun and Mitchell, Mach. Learn. 39 (2000)."

param weight  : simplex[K]
param word[K] : simplex[V]

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : count[V] ~ Multinomial(p = word[z[n]])
