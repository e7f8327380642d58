# emdsl fit models/tobit.em models/data/tobin.csv --data u=age,quant --data y=durable
model Tobit
    "What would be negative is recorded as zero: a regression censored from below."
    "Tobin, Econometrica 26 (1958)."

param intercept : real
param beta      : real[P]
param sd        : positive

for n in N:
    input u[n] : real[P]
    data  y[n] ~ Censored(Normal(intercept + dot(beta, u[n]), sd), lower = 0)
