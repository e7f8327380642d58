# emdsl fit models/zero_inflated_negative_binomial.em models/data/biochemists.csv \
#     --data u=one,fem,mar,kid5,phd,ment --data v=one,ment --data y=art
model ZeroInflatedNegativeBinomial
    "Zero inflation and counts that scatter more than Poisson's, each with covariates."
    "Greene 1994; Yau, Wang and Lee, Biom. J. 45 (2003); data: Long, Social Forces 68 (1990)."

param gate : real[Q]
param beta : real[P]
param phi  : positive

for n in N:
    input  u[n]      : real[P]
    input  v[n]      : real[Q]
    latent active[n] ~ Bernoulli(logit = dot(gate, v[n]))
    data   y[n]      : count ~ case active[n]:
        0: Delta(0)
        1: NegativeBinomial(log = dot(beta, u[n]), shape = phi)
