# emdsl fit models/normal_half_cauchy.em models/data/newcomb.csv
model NormalHalfCauchy
    "A normal whose standard deviation has the half-Cauchy prior: a Cauchy on a positive param."
    "Gelman, Bayesian Analysis 1 (2006)."

param m : real ~ Normal(0, 100)
param s : positive ~ Cauchy(0, 25)

for n in N:
    data x[n] ~ Normal(m, s)
