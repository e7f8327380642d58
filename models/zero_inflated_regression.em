# emdsl fit models/zero_inflated_regression.em models/data/biochemists.csv \
#     --data u=one,fem,mar,kid5,phd,ment --data v=one,fem,mar,kid5,phd,ment --data y=art
model ZeroInflatedRegression
    "A logistic regression says who counts at all, a Poisson regression how much."
    "Lambert, Technometrics 34 (1992); data: Long, Social Forces 68 (1990)."

param gate : real[Q]
param beta : real[P]

for n in N:
    input  u[n]      : real[P]
    input  v[n]      : real[Q]
    latent active[n] ~ Bernoulli(logit = dot(gate, v[n]))
    data   y[n]      : count ~ Poisson(log = dot(beta, u[n])) if active[n] else Delta(0)
