# emdsl fit models/dirichlet_mixture.em models/data/iris_shares.csv --set K=3
model DirichletMixture(K = 2)
    "A mixture of Dirichlets: clusters of compositions."
    "Sjolander et al., Comput. Appl. Biosci. 12 (1996); data: Anderson 1935."

param weight   : simplex[K]
param alpha[K] : positive[D]

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : simplex[D] ~ Dirichlet(alpha[z[n]])
