model GammaPoissonRates

param a, b : positive

for n in N:
    input  time[n]     : positive
    latent rate[n] ~ Gamma(a, b)
    data  failures[n] : count ~ Poisson(rate[n] * time[n])
