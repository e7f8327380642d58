model M(K = 2)
param weight : simplex[3]
param w4 : simplex[K]
param mean[M] : real
param A : real[D, L]
param v : real[D]
const rates = [0.1, 0.2, 0.3]
const two : real[K] = [1, 2, 3]
for n in N:
    latent z[n] : category[4] ~ Categorical(weight)
    latent k[n] ~ Categorical(w4)
    data x[n] ~ Normal(mean[k[n]], 1)
    data y[n] : real[D] ~ MvNormal(A @ v, eye[D])
    data w[n] : real[D] ~ MvNormal(v, eye[L])
    data u[n] ~ Normal(mean[n] + rates[k[n]], 1)
    data t[n] : real[D] ~ Normal(A @ zeros[L] + zeros[L], 1)
for s in S:
    for i in T[s]:
        input parent[s, i] : index[T]
        latent h[s, i] ~ Categorical(w4) if i == 0 else Categorical(w4)
        data g[s, i] ~ Normal(h[parent[s, i], i] + h[i, s], 1)
