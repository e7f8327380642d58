# emdsl check benchmarks/group_effects.em
model GroupEffects
    "A logistic regression in which every group has an intercept of its own."
    "Chamberlain, Review of Economic Studies 47 (1980)."

param effect[G] : real
param beta      : real[P]

for n in N:
    input group[n] : category[G]
    input u[n]     : real[P]
    data  y[n]     : bool ~ Bernoulli(logit = effect[group[n]] + dot(beta, u[n]))
