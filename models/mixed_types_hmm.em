# emdsl fit models/mixed_types_hmm.em models/data/geyser.csv \
#     --data x=waiting --data y=long --set K=2
model MixedTypesHMM(K = 2)
    "A hidden Markov model seen through columns of several types: a real and a yes or no."
    "Visser and Speekenbrink, J. Stat. Softw. 36 (2010); data: Azzalini and Bowman 1990."

param start    : simplex[K]
param trans[K] : simplex[K]
param mean[K]  : real
param sd[K]    : positive
param prob[K]  : unit

for s in S:
    for t in T[s]:
        latent z[s, t] ~ Categorical(start) if t == 0 else Categorical(trans[z[s, t-1]])
        data   x[s, t] ~ Normal(mean[z[s, t]], sd[z[s, t]])  # minutes of waiting
        data   y[s, t] : bool ~ Bernoulli(prob[z[s, t]])     # was the eruption long?
