model M
param load : real[D, L]
param weight : simplex[K]
for n in N:
    latent f[n] : real[L] ~ MvNormal(zeros[L], eye[L])
    latent z[n] ~ Categorical(weight)
    data x[n] : real[D] ~ MvNormal(load @ f[n], eye[D])
