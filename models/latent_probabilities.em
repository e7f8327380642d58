# emdsl fit models/latent_probabilities.em models/data/saxony.csv \
#     --data y=males --data freq=families
model LatentProbabilities
    "Boys among twelve children, at a probability of each family's own."
    "Skellam, J. R. Stat. Soc. B 10 (1948); data: Geissler 1889, Saxony."

param a, b : positive

for n in N times freq[n]:
    latent p[n] : unit ~ Beta(a, b)
    data   y[n] : count ~ Binomial(12, p[n])
