model M(L = 2)
param s : positive
for n in N:
    latent f[n] : real[L] ~ MvNormal(zeros[L], eye[L])
    latent g[n] : real[L] ~ MvNormal(zeros[L], eye[L])
    data x[n] ~ Normal(dot(f[n], g[n]), s)
