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
constrain sd[0] == -1
constrain sd <= 0
constrain weight[0] >= 1.25
constrain tone <= 0
constrain weight[0] == 1.5
constrain tone[1][0] == 0.75
constrain tone[1][1] == 0.5
constrain cov[1, 1] == 0
constrain cov[0] == 0
