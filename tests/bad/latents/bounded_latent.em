model M
param s : positive
for n in N:
    latent u[n] : real ~ Uniform(-1, 1)
    data x[n] ~ Laplace(u[n], s)
