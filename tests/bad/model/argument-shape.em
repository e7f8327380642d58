model M(K = 2)
param p[K] : simplex[V]
param m : real[D]
param s : positive
for n in N:
    data x[n] : category[V] ~ Categorical(p)
    data y[n] : real[D] ~ MvNormal(m, s)
    data w[n] : real[D] ~ MvNormal(0, eye[D])
    data v[n] : real[D] ~ MvNormal(m, m)
    data u[n] ~ Censored(Normal(0, 1), m)
    data t[n] ~ Delta(m)
