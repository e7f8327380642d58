# emdsl fit models/binomial_mixture.em models/data/saxony.csv \
#     --data y=males --data freq=families --set K=2
model BinomialMixture(K = 2)
    "A mixture of K binomials of known trials: boys in families of twelve, Saxony 1876-1885."
    "Lindsey and Altham, Appl. Stat. 47 (1998); Blischke, J. Am. Stat. Assoc. 59 (1964)."

const trials  = 12
param weight  : simplex[K]
param prob[K] : unit

for n in N times freq[n]:
    latent z[n] ~ Categorical(weight)
    data   y[n] : count ~ Binomial(trials, prob[z[n]])
