# emdsl fit models/change_point.em models/data/coal_years.csv
model ChangePoint
    "One change in the rate of a count: coal-mining disasters in each year, 1851-1962."
    "Chib, J. Econometrics 86 (1998); Carlin, Gelfand and Smith, Appl. Stat. 41 (1992)."

param rate[2] : positive
param hazard  : unit  # of the change, each year

for t in T:
    latent z[t] ~ Delta(0) if t == 0 else Delta(1) if z[t-1] else Bernoulli(hazard)
    data   y[t] : count ~ Poisson(rate[z[t]])
