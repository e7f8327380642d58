# emdsl fit models/factorial_hmm.em models/data/power.csv
model FactorialHMM
    "Two appliances, each switched on and off by a chain of its own; only their sum is metered."
    "Ghahramani and Jordan, Mach. Learn. 29 (1997); Kolter and Jaakkola, AISTATS 2012."

param first[2]  : unit  # is on at the start
param heater[2] : unit  # is on, given that it was off or on before
param fridge[2] : unit
param base      : real
param watts[2]  : real
param sd        : positive

for t in T:
    latent h[t] ~ Bernoulli(first[0]) if t == 0 else Bernoulli(heater[h[t-1]])
    latent f[t] ~ Bernoulli(first[1]) if t == 0 else Bernoulli(fridge[f[t-1]])
    data   x[t] ~ Normal(base + watts[0] * h[t] + watts[1] * f[t], sd)
