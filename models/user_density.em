# emdsl fit models/user_density.em models/data/faithful.csv --data x=waiting --set K=2
density CubicExponential(x : positive; s : positive) = exp(-(x / s)^3 - lgamma(4 / 3)) / s

model CubicExponentialMixture(K = 2)
    "A mixture of a density that no library has; its update s^3 = 3 E[x^3] is derived."
    "The generalised gamma with shape 1/3 and power 3: Stacy, Ann. Math. Stat. 33 (1962)."

param weight : simplex[K]
param s[K]   : positive

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ CubicExponential(s[z[n]])
