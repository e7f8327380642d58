# emdsl fit models/multivariate_normal.em models/data/stackloss.csv
model MultivariateNormal
    "Mean vector and covariance matrix of one sample."
    "Anderson, An Introduction to Multivariate Statistical Analysis (2003), chapter 3."

param mean : real[D]
param cov  : posdef[D]

for n in N:
    data x[n] : real[D] ~ MvNormal(mean, cov)
