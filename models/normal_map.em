# emdsl fit models/normal_map.em models/data/newcomb.csv
model NormalMAP
    "A normal with a normal prior on its mean and an inverse gamma prior on its variance."
    "Gelman et al., Bayesian Data Analysis (2013), chapter 3."

param mean : real ~ Normal(0, 10)
param var  : positive ~ InverseGamma(2, 100)

for n in N:
    data x[n] ~ Normal(mean, var = var)
