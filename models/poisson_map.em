# emdsl fit models/poisson_map.em models/data/horsekicks.csv --data y=deaths
model PoissonMAP
    "A Poisson with a Gamma prior: shape - 1 events in rate units of exposure, beforehand."
    "Gelman et al., Bayesian Data Analysis (2013), section 2.6."

param rate : positive ~ Gamma(2, 1)

for n in N times freq[n]:
    data y[n] : count ~ Poisson(rate)
