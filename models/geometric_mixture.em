# emdsl fit models/geometric_mixture.em models/data/thyrion_accidents.csv --data y=accidents
model GeometricMixture(K = 2)
    "A mixture of K geometrics: accidents of insured motorists."
    "Johnson, Kemp and Kotz, Univariate Discrete Distributions (2005); data: Thyrion 1960."

param weight  : simplex[K]
param prob[K] : unit

for n in N times freq[n]:
    latent z[n] ~ Categorical(weight)
    data   y[n] : count ~ Geometric(prob[z[n]])
