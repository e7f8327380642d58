model M(K = 2)
param weight : simplex[K]
param mean[K] : real
for n in N:
    latent z[n] ~ Categorical(weigth)
    data x[n] ~ Normal(mean[z[n]], sigma)
