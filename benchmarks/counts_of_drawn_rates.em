# emdsl check benchmarks/counts_of_drawn_rates.em
model CountsOfDrawnRates
    "Counts whose rates were drawn from a gamma, by EM on the rates."
    "Greenwood and Yule, J. R. Stat. Soc. 83 (1920)."

param a, b : positive

for n in N times freq[n]:
    latent u[n] ~ Gamma(a, b)
    data   y[n] : count ~ Poisson(u[n])
