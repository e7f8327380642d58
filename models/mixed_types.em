# emdsl fit models/mixed_types.em models/data/biochemists.csv --set K=2
model MixedTypes(K = 2)
    "Classes seen through columns of several types: a real, a count and a category."
    "Everitt, Stat. Probab. Lett. 6 (1988); data: Long, Social Forces 68 (1990)."

param weight      : simplex[K]
param mean[K]     : real
param sd[K]       : positive
param rate[K]     : positive
param children[K] : simplex[V]

for n in N:
    latent z[n]    ~ Categorical(weight)
    data   phd[n]  ~ Normal(mean[z[n]], sd[z[n]])               # prestige of the department
    data   art[n]  : count ~ Poisson(rate[z[n]])                # articles
    data   kid5[n] : category[V] ~ Categorical(children[z[n]])  # children under six
