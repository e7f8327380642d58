# emdsl fit models/robust_regression_scales.em models/data/stackloss.csv \
#     --data u=airflow,watertemp,acidconc --data y=loss
model RobustRegressionScales
    "Student's t errors, each as a normal with a latent scale: weights of the rows."
    "Lange, Little and Taylor, J. Am. Stat. Assoc. 84 (1989); data: Brownlee 1965."

param intercept : real
param beta      : real[P]
param s2, nu    : positive

for n in N:
    input  u[n] : real[P]
    latent w[n] ~ Gamma(nu / 2, nu / 2)
    data   y[n] ~ Normal(intercept + dot(beta, u[n]), var = s2 / w[n])
