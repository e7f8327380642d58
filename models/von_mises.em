# emdsl fit models/von_mises.em models/data/turtles.csv
model VonMisesAngles
    "Directions around a mean direction."
    "von Mises 1918; data: Stephens 1969, the directions 76 turtles took (Mardia 1972)."

param mu    : real
param kappa : positive

for n in N:
    data angle[n] ~ VonMises(mu, kappa)
