model M(K = 2)
param s : real ~ Gamma(2, 2)
param w : simplex[K] ~ Normal(0, 1)
param m : real[K]
for n in N:
    latent a[n] : positive ~ Normal(0, 1)
    latent b[n] : real ~ Gamma(2, 2)
    data x[n] : real ~ Poisson(3)
    data y[n] : int ~ Poisson(3)
    data v[n] : real ~ Normal(m, 1)
    data u[n] : real ~ MvNormal(m, eye[K])
    data t[n] : real ~ Beta(s, w[0])
