# emdsl fit models/poisson_regression.em models/data/biochemists.csv \
#     --data u=fem,mar,kid5,phd,ment --data y=art
model PoissonRegression
    "The log of a rate is linear in covariates."
    "Nelder and Wedderburn, J. R. Stat. Soc. A 135 (1972); data: Long, Social Forces 68 (1990)."

param intercept : real
param beta      : real[P]

for n in N:
    input u[n] : real[P]
    data  y[n] : count ~ Poisson(log = intercept + dot(beta, u[n]))
