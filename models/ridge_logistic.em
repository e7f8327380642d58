# emdsl fit models/ridge_logistic.em models/data/infert.csv \
#     --data u=spontaneous,induced --data y=case
model RidgeLogistic
    "Logistic regression with a normal prior on the slopes, which separation cannot carry away."
    "le Cessie and van Houwelingen, Appl. Stat. 41 (1992); data: Trichopoulos et al. 1976."

param intercept : real
param beta      : real[P] ~ Normal(0, 1)

for n in N:
    input u[n] : real[P]
    data  y[n] : bool ~ Bernoulli(logit = intercept + dot(beta, u[n]))
