# emdsl fit models/tobit.em models/data/biochemists.csv --data u=fem,mar,kid5,phd,ment --data y=art
model Tobit
    "What would be negative is recorded as zero: a regression censored from below."
    "Tobin, Econometrica 26 (1958); data: Long, Social Forces 68 (1990)."

param intercept : real
param beta      : real[P]
param sd        : positive

for n in N:
    input u[n] : real[P]
    data  y[n] ~ Censored(Normal(intercept + dot(beta, u[n]), sd), lower = 0)
