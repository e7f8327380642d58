model M
param mu : real
param s : positive
for n in N:
    latent e[n] ~ Normal(mu, s)
    data y[n] ~ Poisson(exp(e[n]))
