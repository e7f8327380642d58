model M(K = 3)
param weight  : simplex[K]
param mean[K] : real
param sd[K]   : positive
param cov     : posdef[2]
param tone[K] : simplex[3]
for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Normal(mean[z[n]], sd[z[n]])
    data   y[n] : real[2] ~ MvNormal(zeros[2], cov)
    data   c[n] ~ Categorical(tone[z[n]])
constrain mean[K] == 1
constrain mean[0.5] == 1
constrain tone[0, 3] == 0
constrain mean[0][1] == 0
constrain mean[z] == 0
