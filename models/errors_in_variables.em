# emdsl fit models/errors_in_variables.em models/data/corn.csv --data x=nitrogen --data y=yield
model ErrorsInVariables
    "A regression on a covariate that is measured with an error of known variance."
    "Fuller, Measurement Error Models (1987), section 1.2; data: Voss 1969, as there."

const error            = 57
param intercept, slope : real
param mean             : real
param spread, sd       : positive

for n in N:
    latent true[n] ~ Normal(mean, spread)
    data   x[n]    ~ Normal(true[n], var = error)
    data   y[n]    ~ Normal(intercept + slope * true[n], sd)
