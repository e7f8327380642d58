# emdsl fit models/weibull_lifetimes.em models/data/lung.csv --data died=event --data u=age,sex
likelihood Lifetime(t : positive; k, s : positive, died : count) = (
    k / s * (t / s)^(k - 1)
)^died * exp(-(t / s)^k)

model WeibullLifetimes
    "Survival with covariates: Weibull lifetimes, some cut short, the log of whose scale is linear."
    "Prentice, Biometrika 60 (1973); data: Loprinzi et al. 1994."

param intercept : real
param beta      : real[P]
param shape     : positive

for n in N:
    input died[n] : count
    input u[n]    : real[P]
    data  time[n] ~ Lifetime(shape, exp(intercept + dot(beta, u[n])), died[n])
