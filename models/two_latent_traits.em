# emdsl fit models/two_latent_traits.em models/data/leading_crowd.csv \
#     --data crowd=y[0],y[2] --data view=y[1],y[3]
model TwoLatentTraits
    "Two related traits, each asked about twice: 3398 boys on the leading crowd of their school."
    "Goodman, Biometrika 61 (1974); table: Coleman, Introduction to Mathematical Sociology (1964)."

param member     : simplex[2]
param liking[2]  : simplex[2]
param belongs[2] : unit[J]  # says so, of each trait, in each interview
param agrees[2]  : unit[J]

for n in N times freq[n]:
    latent m[n]     ~ Categorical(member)
    latent a[n]     ~ Categorical(liking[m[n]])
    data   crowd[n] : bool[J] ~ Bernoulli(belongs[m[n]])
    data   view[n]  : bool[J] ~ Bernoulli(agrees[a[n]])
