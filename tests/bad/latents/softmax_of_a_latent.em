model M(K = 3, L = 2)
param W : real[V, L]
for n in N:
    latent f[n] : real[L] ~ MvNormal(zeros[L], eye[L])
    data y[n] : category[V] ~ Categorical(softmax(W @ f[n]))
