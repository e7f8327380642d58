# emdsl fit models/growth_phases.em models/data/macro_growth.csv --data growth=gdp
model GrowthPhases
    "Growth in three phases, none shorter than two quarters on average: bounds on transitions."
    "Sichel, Rev. Econ. Stat. 76 (1994); Harding and Pagan, J. Monetary Econ. 49 (2002)."

param start    : simplex[3]
param trans[3] : simplex[3]
param mean[3]  : real
param sd       : positive

for t in T:
    latent phase[t]  ~ Categorical(start) if t == 0 else Categorical(trans[phase[t-1]])
    data   growth[t] ~ Normal(mean[phase[t]], sd)

constrain trans[0, 0] >= 0.5
constrain trans[1, 1] >= 0.5
constrain trans[2, 2] >= 0.5
