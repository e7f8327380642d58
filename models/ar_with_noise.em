# emdsl fit models/ar_with_noise.em models/data/lynx.csv --data y=log10
model ARWithNoise
    "An autoregression of order two that is seen with noise."
    "Pagano, Ann. Stat. 2 (1974); data: Elton and Nicholson 1942, lynx."

param mean, a, b : real
param move, sd   : positive

for t in T:
    latent x[t] ~ Normal(0, 1) if t < 2 else Normal(a * x[t-1] + b * x[t-2], move)
    data   y[t] ~ Normal(mean + x[t], sd)
