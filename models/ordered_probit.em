# emdsl fit models/ordered_probit.em models/data/infert.csv \
#     --data u=age,parity --data y=induced
model OrderedProbit
    "Never, once, or more often: in which stretch something normal lies, cut at 0 and at 1."
    "Aitchison and Silvey, Biometrika 44 (1957); data: Trichopoulos et al. 1976."

param intercept : real
param beta      : real[P]
param sd        : positive

for n in N:
    input  u[n] : real[P]
    latent z[n] ~ Normal(intercept + dot(beta, u[n]), sd)
    data   y[n] : category[3] ~ Delta((z[n] > 0) + (z[n] > 1))
