# emdsl fit models/heteroscedastic_regression.em models/data/engel.csv --data u=income --data y=food
model HeteroscedasticRegression
    "Linear regression in which the log of the standard deviation is linear too."
    "Harvey, Econometrica 44 (1976); data: Engel 1857, Koenker and Bassett 1982."

param intercept, spread : real
param beta, tilt        : real[P]

for n in N:
    input u[n] : real[P]
    data  y[n] ~ Normal(intercept + dot(beta, u[n]), exp(spread + dot(tilt, u[n])))
