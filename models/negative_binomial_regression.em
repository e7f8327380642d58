# emdsl fit models/negative_binomial_regression.em models/data/quine.csv \
#     --data u=eth,sex,age1,age2,age3,slow --data y=days
model NegativeBinomialRegression
    "Counts that scatter more than Poisson's; phi is small where they scatter most."
    "Lawless, Can. J. Stat. 15 (1987); data: Quine 1978, Venables and Ripley 2002."

param intercept : real
param beta      : real[P]
param phi       : positive

for n in N:
    input u[n] : real[P]
    data  y[n] : count ~ NegativeBinomial(log = intercept + dot(beta, u[n]), shape = phi)
