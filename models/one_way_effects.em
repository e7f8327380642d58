# emdsl fit models/one_way_effects.em models/data/plant_growth.csv
model OneWayEffects
    "Analysis of variance: effects of groups as deviations that sum to zero."
    "Fisher, Statistical Methods for Research Workers (1925); data: Dobson 1983."

param mean      : real
param effect[G] : real
param sd        : positive

for n in N:
    input group[n] : index[G]
    data  y[n]     ~ Normal(mean + effect[group[n]], sd)

constrain sum(effect) == 0
