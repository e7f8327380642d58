# emdsl fit models/beta_mixture.em models/data/shares.csv --set K=2
model BetaMixture(K = 2)
    "A mixture of betas, for shares."
    "Ji et al., Bioinformatics 21 (2005)."

param weight            : simplex[K]
param alpha[K], beta[K] : positive

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Beta(alpha[z[n]], beta[z[n]])
