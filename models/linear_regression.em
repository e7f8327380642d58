# emdsl fit models/linear_regression.em models/data/stackloss.csv \
#     --data u=airflow,watertemp,acidconc --data y=loss
model LinearRegression
    "Least squares as maximum likelihood: one exact M-step."
    "Gauss 1809; data: Brownlee, Statistical Theory and Methodology (1965)."

param intercept : real
param beta      : real[P]
param sd        : positive

for n in N:
    input u[n] : real[P]
    data  y[n] ~ Normal(intercept + dot(beta, u[n]), sd)
