# emdsl check models/random_intercept.em
model RandomIntercept
    "A regression whose groups each have their own level, drawn from a normal."
    "Laird and Ware, Biometrics 38 (1982)."

param beta       : real[P]
param tau, sigma : positive

for g in G:
    latent b[g] ~ Normal(0, tau)

for n in N:
    input group[n] : index[G]
    input u[n]     : real[P]
    data  y[n]     ~ Normal(dot(beta, u[n]) + b[group[n]], sigma)
