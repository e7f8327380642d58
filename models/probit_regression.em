# emdsl fit models/probit_regression.em models/data/infert.csv \
#     --data u=spontaneous,induced --data y=case
model ProbitRegression
    "A yes where something normal, linear in covariates but for its noise, is above zero."
    "Bliss, Science 79 (1934); data: Trichopoulos et al. 1976."

param intercept : real
param beta      : real[P]

for n in N:
    input u[n] : real[P]
    data  y[n] : bool ~ Bernoulli(probit = intercept + dot(beta, u[n]))
