model M(K = 2)
param s : real
param q : positive
param p : real[K]
param S : real[K, K]
param R : orthogonal[K]
for n in N:
    data x[n] ~ Normal(0, s)
    data y[n] ~ Normal(0, -1)
    data w[n] ~ Bernoulli(1.5)
    data v[n] ~ Categorical(p)
    data u[n] : real[K] ~ MvNormal(p, S)
    data t[n] ~ Categorical([0.5, 0.4])
    data r[n] ~ Normal(0, -q)
    data i[n] ~ Binomial(2.5, q)
    data h[n] ~ Gamma([1, 2 - 3], 1)
    data g[n] : real[K] ~ MvNormal(p, R)
