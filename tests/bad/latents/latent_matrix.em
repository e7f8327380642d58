model M
param nu : positive
param S : posdef[D]
for n in N:
    latent V[n] : posdef[D] ~ Wishart(D - 1 + nu, S)
    data x[n] : real[D] ~ MvNormal(zeros[D], V[n])
