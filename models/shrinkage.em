# emdsl fit models/shrinkage.em models/data/batting.csv --data y=score
model Shrinkage
    "Batting scores of known variance 1: each player's own is drawn towards the mean."
    "Efron and Morris, J. Am. Stat. Assoc. 70 (1975), by empirical Bayes."

param mean : real
param tau  : positive

for i in I:
    latent skill[i] ~ Normal(mean, tau)
    data   y[i]     ~ Normal(skill[i], 1)
