# emdsl fit models/random_intercept.em models/data/sleepstudy.csv \
#     --data group=subject --data u=one,days --data y=reaction
model RandomIntercept
    "A regression whose groups each have their own level, drawn from a normal."
    "Laird and Ware, Biometrics 38 (1982); data: Belenky et al., J. Sleep Res. 12 (2003)."

param beta       : real[P]
param tau, sigma : positive

for g in G:
    latent b[g] ~ Normal(0, tau)

for n in N:
    input group[n] : index[G]
    input u[n]     : real[P]
    data  y[n]     ~ Normal(dot(beta, u[n]) + b[group[n]], sigma)
