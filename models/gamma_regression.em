# emdsl fit models/gamma_regression.em models/data/clotting.csv --data u=log_conc,lot --data y=time
model GammaRegression
    "A positive outcome of constant coefficient of variation, the log of whose mean is linear."
    "McCullagh and Nelder, Generalized Linear Models (1989); data: Hurn, Barker and Magath 1945."

param intercept : real
param beta      : real[P]
param shape     : positive

for n in N:
    input u[n] : real[P]
    data  y[n] ~ Gamma(shape, log = intercept + dot(beta, u[n]))
