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
constrain mean[0] == mean[1]
constrain mean[1] == mean[2]
constrain mean[0] == 0
constrain mean[2] == 1
constrain tone[0] == tone[2]
constrain tone[0][1] == 0
constrain tone[2][1] == 0.5
constrain sd == 1
constrain sd[0] == 2
constrain mean[1] >= 2
constrain mean[1] <= 1
constrain weight[0] >= 0.5
constrain weight[1] == 0.25
constrain weight[2] >= 0.5
constrain tone[1] >= 0.25
constrain tone[1, 2] >= 0.6
constrain tone[2, 0] <= 0.2
constrain tone[2, 2] <= 0.2
