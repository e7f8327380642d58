model M(K = 3)
param weight  : simplex[K]
param mean[K] : real
param sd[K]   : positive
param cov     : posdef[2]
param tone[K] : simplex[3]
param turn    : orthogonal[2]
param long    : shape[2]
for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Normal(mean[z[n]], sd[z[n]])
    data   y[n] : real[2] ~ MvNormal(zeros[2], cov)
    data   v[n] : real[2] ~ MvNormal(zeros[2], turn @ diag(long) @ transpose(turn))
    data   c[n] ~ Categorical(tone[z[n]])
constrain mean[0] <= mean[1]
constrain sum(sd) >= 1
constrain turn[0, 0] >= 0.1
constrain long >= 0.1
constrain mean == sd
constrain mean == weight[0]
constrain tone[0][0] == tone[1][0]
constrain sum(weight) == 1
constrain sd[0] + sd[1] == 3
constrain cov[0, 1] + sd[0] == 1
constrain sd[0] == 2 * sd[1]
constrain turn[0, 0] == 1
constrain long[0] == 2
