# emdsl fit models/exponential_mixture.em models/data/coal_intervals.csv --set K=2
model ExponentialMixture(K = 2)
    "A mixture of K exponentials: days between coal-mining disasters."
    "Mendenhall and Hader, Biometrika 45 (1958); Jewell, Ann. Stat. 10 (1982)."

param weight  : simplex[K]
param rate[K] : positive

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Exponential(rate[z[n]])
