# emdsl fit models/logistic_regression.em models/data/infert.csv \
#     --data u=spontaneous,induced --data y=case
model LogisticRegression
    "The log odds of a yes are linear in covariates."
    "Cox, J. R. Stat. Soc. B 20 (1958); data: Trichopoulos et al. 1976."

param intercept : real
param beta      : real[P]

for n in N:
    input u[n] : real[P]
    data  y[n] : bool ~ Bernoulli(logit = intercept + dot(beta, u[n]))
