# emdsl fit models/cauchy.em models/data/newcomb.csv
model CauchyLocation
    "Location and scale of a Cauchy."
    "Copas, Biometrika 62 (1975); data: Newcomb 1882, Stigler 1977."

param loc   : real
param scale : positive

for n in N:
    data x[n] ~ Cauchy(loc, scale)
