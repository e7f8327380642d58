# emdsl fit models/autoregression.em models/data/lh.csv --data x=lh
model Autoregression
    "A stationary autoregression, its first value included."
    "Box and Jenkins 1970; data: Diggle 1990, luteinizing hormone every ten minutes."

param mean, phi : real
param var       : positive

for t in T:
    data x[t] ~ case t:
        0: Normal(mean, var = var / (1 - phi^2))
        else: Normal(mean + phi * (x[t-1] - mean), var = var)
