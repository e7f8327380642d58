# emdsl fit models/normal_mixture_equal.em models/data/faithful.csv --data x=waiting --set K=2
model EqualNormalMixture(K = 2)
    "A mixture of K univariate normals with one standard deviation."
    "Day, Biometrika 56 (1969)."

param weight  : simplex[K]
param mean[K] : real
param sd      : positive

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Normal(mean[z[n]], sd)
