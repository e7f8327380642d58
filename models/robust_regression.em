# emdsl fit models/robust_regression.em models/data/stackloss.csv \
#     --data u=airflow,watertemp,acidconc --data y=loss
model RobustRegression
    "Linear regression with Student's t errors: what lies far off counts little."
    "Lange, Little and Taylor, J. Am. Stat. Assoc. 84 (1989); data: Brownlee 1965."

param intercept : real
param beta      : real[P]
param scale, nu : positive

for n in N:
    input u[n] : real[P]
    data  y[n] ~ StudentT(nu, intercept + dot(beta, u[n]), scale)
