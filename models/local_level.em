# emdsl fit models/local_level.em models/data/nile.csv --data y=flow
model LocalLevel
    "A level that walks at random, seen with noise; it starts from an unknown constant."
    "Harvey, Forecasting, Structural Time Series Models (1989); data: Cobb 1978, the Nile."

param first    : real
param move, sd : positive

for t in T:
    latent level[t] ~ Normal(first, move) if t == 0 else Normal(level[t-1], move)
    data   y[t]     ~ Normal(level[t], sd)
