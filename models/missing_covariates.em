# emdsl fit models/missing_covariates.em models/data/fitness.csv --data u=age,weight,pulse
model MissingCovariates
    "A linear regression whose covariates have gaps, which a normal of their own fills."
    "Little, J. Am. Stat. Assoc. 87 (1992); Little and Rubin (2019), chapter 11."

param mean  : real[P]
param cov   : posdef[P]
param base  : real
param slope : real[P]
param sd    : positive

for n in N:
    data u[n] : real[P] ~ MvNormal(mean, cov)
    data y[n] ~ Normal(base + dot(slope, u[n]), sd)
