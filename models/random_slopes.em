# emdsl fit models/random_slopes.em models/data/sleepstudy.csv \
#     --data group=subject --data u=one,days --data y=reaction
model RandomSlopes
    "Every group has a line of its own; intercepts and slopes are correlated."
    "Laird and Ware, Biometrics 38 (1982); data: Belenky et al., J. Sleep Res. 12 (2003)."

param beta  : real[P]
param cov   : posdef[P]
param sigma : positive

for g in G:
    latent b[g] : real[P] ~ MvNormal(beta, cov)

for n in N:
    input group[n] : index[G]
    input u[n]     : real[P]
    data  y[n]     ~ Normal(dot(b[group[n]], u[n]), sigma)
