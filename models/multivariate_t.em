# emdsl fit models/multivariate_t.em models/data/stackloss.csv
model MultivariateT
    "Mean and scale of a multivariate t of known degrees of freedom: outliers count less."
    "Lange, Little and Taylor, J. Am. Stat. Assoc. 84 (1989); data: Brownlee 1965."

const nu    = 5
param mean  : real[D]
param scale : posdef[D]

for n in N:
    latent u[n] ~ Gamma(nu / 2, nu / 2)
    data   x[n] : real[D] ~ MvNormal(mean, scale / u[n])
