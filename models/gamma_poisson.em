# emdsl fit models/gamma_poisson.em models/data/pumps.csv
model GammaPoisson
    "Failures in a known time, at rates that differ as Gamma(a, b); the rates are integrated out."
    "Gaver and O'Muircheartaigh, Technometrics 29 (1987): pumps of a power plant."

param a, b : positive

for n in N:
    input time[n]     : positive
    data  failures[n] : count ~ NegativeBinomial(alpha = a, beta = b / time[n])
