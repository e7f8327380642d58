# emdsl fit models/local_linear_trend.em models/data/uk_gas_years.csv --data y=log_gas
model LocalLinearTrend
    "A level that moves by a slope which moves too; priors keep the scales from zero."
    "Harvey 1989; priors: Chung et al., Psychometrika 78 (2013); data: UK gas, 1960-1986."

param first, steep   : real
param move, turn, sd : positive ~ Gamma(2, 0.1)

for t in T:
    latent slope[t] ~ Normal(steep, turn) if t == 0 else Normal(slope[t-1], turn)
    latent level[t] ~ Normal(first, move) if t == 0 else Normal(level[t-1] + slope[t-1], move)
    data   y[t]     ~ Normal(level[t], sd)
