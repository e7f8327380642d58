# emdsl fit models/ridge_regression.em models/data/stackloss.csv \
#     --data u=airflow,watertemp,acidconc --data y=loss
model RidgeRegression
    "Linear regression with a normal prior on the slopes."
    "Hoerl and Kennard, Technometrics 12 (1970)."

param intercept : real
param beta      : real[P] ~ Normal(0, 1)
param sd        : positive

for n in N:
    input u[n] : real[P]
    data  y[n] ~ Normal(intercept + dot(beta, u[n]), sd)
