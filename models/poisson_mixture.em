# emdsl fit models/poisson_mixture.em models/data/fetal_lamb_freq.csv --data y=movements --set K=2
model PoissonMixture(K = 2)
    "A mixture of K Poissons, on a table of counts and their frequencies."
    "Leroux and Puterman, Biometrics 48 (1992); Hasselblad, J. Am. Stat. Assoc. 64 (1969)."

param weight  : simplex[K]
param rate[K] : positive

for n in N times freq[n]:
    latent z[n] ~ Categorical(weight)
    data   y[n] : count ~ Poisson(rate[z[n]])
