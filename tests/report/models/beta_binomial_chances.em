model BetaBinomialChance

param a, b : positive

for n in N times freq[n]:
    latent p[n] ~ Beta(a, b)
    data y[n] : count ~ Binomial(12, p[n])
