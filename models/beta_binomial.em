# emdsl fit models/beta_binomial.em models/data/saxony.csv --data y=males --data freq=families
mass BetaBinomial(k : count; a, b : positive, n : count) = exp(
    lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + lgamma(a + b) - lgamma(a + b + n)
) * exp(lgamma(a + k) - lgamma(a)) * exp(lgamma(b + n - k) - lgamma(b))

model BetaBinomialBoys
    "Boys in families of twelve, when the chance of a boy differs between families."
    "Skellam, J. R. Stat. Soc. B 10 (1948); data: Geissler 1889, Lindsey and Altham 1998."

param a, b : positive

for n in N times freq[n]:
    data y[n] : count ~ BetaBinomial(a, b, 12)
