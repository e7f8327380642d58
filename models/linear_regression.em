# emdsl fit models/linear_regression.em models/data/stackloss.csv \
#     --data u=one,airflow,watertemp,acidconc --data y=loss
model LinearRegression
    "Least squares as maximum likelihood; a column of ones in u gives the intercept."
    "Gauss 1809; data: Brownlee, Statistical Theory and Methodology (1965)."

param beta : real[P]
param sd   : positive

for n in N:
    input u[n] : real[P]
    data  y[n] ~ Normal(dot(beta, u[n]), sd)
