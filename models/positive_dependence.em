# emdsl fit models/positive_dependence.em models/data/holzinger.csv --data x=x2,x3,x7,x8,x9
model PositiveDependence
    "Test scores of which no two go against each other, given the rest: bounds on a precision."
    "Slawski and Hein 2015; Lauritzen, Uhler and Zwiernik, Ann. Statist. 47 (2019)."

param mean : real[D]
param conc : posdef[D]

for n in N:
    data x[n] : real[D] ~ MvNormal(mean, precision = conc)

constrain conc[0, 1] <= 0
constrain conc[0, 2] <= 0
constrain conc[0, 3] <= 0
constrain conc[0, 4] <= 0
constrain conc[1, 2] <= 0
constrain conc[1, 3] <= 0
constrain conc[1, 4] <= 0
constrain conc[2, 3] <= 0
constrain conc[2, 4] <= 0
constrain conc[3, 4] <= 0
