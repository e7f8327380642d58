# emdsl fit models/switching_regression.em models/data/geyser.csv --data u=duration --data y=waiting
model SwitchingRegression(K = 2)
    "A regression whose line is chosen by a hidden chain: covariates in the mean of each state."
    "Goldfeld and Quandt, J. Econometrics 1 (1973); data: Azzalini and Bowman 1990."

param start        : simplex[K]
param trans[K]     : simplex[K]
param intercept[K] : real
param slope[K]     : real
param sd[K]        : positive

for t in T:
    input  u[t] : real
    latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
    data   y[t] ~ Normal(intercept[z[t]] + slope[z[t]] * u[t], sd[z[t]])
