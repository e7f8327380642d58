# emdsl fit models/nonnegative_regression.em models/data/stackloss.csv \
#     --data u=airflow,watertemp,acidconc --data y=loss
model NonnegativeRegression
    "Least squares with slopes that can't be negative."
    "Lawson and Hanson, Solving Least Squares Problems (1974), chapter 23."

param intercept : real
param beta      : real[P]
param sd        : positive

for n in N:
    input u[n] : real[P]
    data  y[n] ~ Normal(intercept + dot(beta, u[n]), sd)

constrain beta >= 0
