# emdsl check models/rasch.em
model Rasch
    "Item response theory: a person's ability against an item's difficulty."
    "Rasch 1960; Bock and Aitkin, Psychometrika 46 (1981)."

param difficulty[J] : real
param scale         : positive

for i in I:
    latent ability[i] ~ Normal(0, scale)
    for j in J:
        data y[i, j] : bool ~ Bernoulli(logit = ability[i] - difficulty[j])

infer ability using quadrature(21)
