# emdsl fit models/seasonal.em models/data/uk_gas.csv --data y=log_gas
model Seasonal
    "A level that drifts and a pattern of four quarters that moves."
    "Harvey, Forecasting, Structural Time Series Models (1989); data: UK gas, 1960-1986."

param first, drift, season : real
param move, shift, sd      : positive

for t in T:
    latent level[t] ~ Normal(first, move) if t == 0 else Normal(level[t-1] + drift, move)
    latent s[t]     ~ Normal(season, 1) if t < 3 else Normal(-s[t-1] - s[t-2] - s[t-3], shift)
    data   y[t]     ~ Normal(level[t] + s[t], sd)
