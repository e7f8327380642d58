# emdsl fit models/local_linear_trend.em models/data/co2_years.csv --data y=co2
model LocalLinearTrend
    "A level that moves by a slope which moves too; both start from unknown constants."
    "Harvey, Forecasting, Structural Time Series Models (1989); data: Keeling and Whorf 2004."

param first, steep   : real
param move, turn, sd : positive

for t in T:
    latent slope[t] ~ Normal(steep, turn) if t == 0 else Normal(slope[t-1], turn)
    latent level[t] ~ Normal(first, move) if t == 0 else Normal(level[t-1] + slope[t-1], move)
    data   y[t]     ~ Normal(level[t], sd)
