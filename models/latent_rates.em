# emdsl fit models/latent_rates.em models/data/pumps.csv
model LatentRates
    "Failures in a known time, at a rate of each pump's own."
    "Gaver and O'Muircheartaigh, Technometrics 29 (1987): pumps of a power plant."

param a, b : positive

for n in N:
    input  time[n]     : positive
    latent rate[n]     ~ Gamma(a, b)
    data   failures[n] : count ~ Poisson(rate[n] * time[n])
