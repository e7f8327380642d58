# emdsl fit models/normal_hmm.em models/data/geyser.csv --data x=waiting --set K=2
model NormalHMM(K = 2)
    "A hidden Markov model with a normal for each state, on one or more series."
    "Zucchini, MacDonald and Langrock, Hidden Markov Models for Time Series (2016), chapter 1."

param start    : simplex[K]
param trans[K] : simplex[K]
param mean[K]  : real
param sd[K]    : positive

for s in S:
    for t in T[s]:
        latent z[s, t] ~ Categorical(start) if t == 0 else Categorical(trans[z[s, t-1]])
        data   x[s, t] ~ Normal(mean[z[s, t]], sd[z[s, t]])
