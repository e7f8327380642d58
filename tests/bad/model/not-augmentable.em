model M(K = 2)
param weight : simplex[K]
param m[K]   : real
param s      : positive
for n in N:
    latent z[n] ~ Categorical(weight)
    data x[n] ~ Normal(m[z[n]], s)
    data t[n] ~ StudentT(4, m[z[n]], s)
infer x, z using augmentation
infer tt using numeric
