# emdsl fit models/mixture_of_random_intercepts.em models/data/sleepstudy.csv \
#     --data group=subject --data u=days --data y=reaction
model MixtureOfRandomIntercepts(K = 2)
    "Groups of unlike kinds, each with a level of its own around that of its kind."
    "Verbeke and Lesaffre, J. Am. Stat. Assoc. 91 (1996); data: Belenky et al. 2003."

param weight     : simplex[K]
param mean[K]    : real
param beta       : real
param tau, sigma : positive

for g in G:
    latent z[g] ~ Categorical(weight)
    latent b[g] ~ Normal(0, tau)

for n in N:
    input group[n] : index[G]
    input u[n]     : real
    data  y[n]     ~ Normal(mean[z[group[n]]] + b[group[n]] + beta * u[n], sigma)
