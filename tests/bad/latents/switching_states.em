model M(K = 2, L = 2)
param w[K] : simplex[K]
param p0 : simplex[K]
param A[K] : real[L, L]
param Q : posdef[L]
param C : real[D, L]
param R : posdef[D]
for t in T:
    latent z[t] ~ Categorical(p0) if t == 0 else Categorical(w[z[t-1]])
    latent f[t] : real[L] ~ MvNormal(zeros[L], eye[L]) if t == 0 else MvNormal(A[z[t]] @ f[t-1], Q)
    data x[t] : real[D] ~ MvNormal(C @ f[t], R)
