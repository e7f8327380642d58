# emdsl check benchmarks/random_slopes.em
model RandomSlopes
    "A regression whose groups each have their own coefficients."
    "Laird and Ware, Biometrics 38 (1982)."

param beta  : real[P]
param cov   : posdef[P]
param sigma : positive

for g in G:
    latent b[g] : real[P] ~ MvNormal(beta, cov)

for n in N:
    input group[n] : index[G]
    input u[n]     : real[P]
    data  y[n]     ~ Normal(dot(b[group[n]], u[n]), sigma)
