# emdsl fit models/t_location.em models/data/newcomb.csv
model TLocation
    "Location, scale and degrees of freedom of Student's t."
    "Lange, Little and Taylor, J. Am. Stat. Assoc. 84 (1989); data: Newcomb 1882, Stigler 1977."

param loc       : real
param scale, nu : positive

for n in N:
    data x[n] ~ StudentT(nu, loc, scale)
