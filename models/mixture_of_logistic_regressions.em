# emdsl fit models/mixture_of_logistic_regressions.em models/data/seeds.csv \
#     --data u=one,extract --data total=n --data y=r --set K=2
model MixtureOfLogisticRegressions(K = 2)
    "K logistic regressions, each binomial count by one of them."
    "Follmann and Lambert, J. Am. Stat. Assoc. 84 (1989); data: Crowder 1978."

param weight  : simplex[K]
param beta[K] : real[P]

for n in N:
    input  u[n]     : real[P]
    input  total[n] : count
    latent z[n]     ~ Categorical(weight)
    data   y[n]     : count ~ Binomial(total[n], logit = dot(beta[z[n]], u[n]))
