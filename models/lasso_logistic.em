# emdsl fit models/lasso_logistic.em models/data/infert.csv \
#     --data u=spontaneous,induced,parity --data y=case
model LassoLogistic
    "Logistic regression whose prior puts slopes that the data hardly ask for to exactly zero."
    "Tibshirani, J. R. Stat. Soc. B 58 (1996); data: Trichopoulos et al. 1976."

param intercept : real
param beta      : real[P] ~ Laplace(0, 0.05)

for n in N:
    input u[n] : real[P]
    data  y[n] : bool ~ Bernoulli(logit = intercept + dot(beta, u[n]))
