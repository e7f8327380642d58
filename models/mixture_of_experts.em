# emdsl fit models/mixture_of_experts.em models/data/bends.csv --data u=one,x --set K=2
model MixtureOfExperts(K = 2)
    "K regression lines; which one holds depends on the covariates."
    "Jacobs, Jordan, Nowlan and Hinton, Neural Comput. 3 (1991)."

param gate[K] : real[P]  # one and the same may be added to all K: only differences count
param beta[K] : real[P]
param sd[K]   : positive

for n in N:
    input  u[n] : real[P]
    latent z[n] ~ Categorical(softmax(gate @ u[n]))
    data   y[n] ~ Normal(dot(beta[z[n]], u[n]), sd[z[n]])
