# emdsl fit models/lognormal_hmm.em models/data/geyser.csv --data x=duration --set K=2
model LogNormalHMM(K = 2)
    "A hidden Markov model of positive numbers, log-normal in each state."
    "Zucchini, MacDonald and Langrock, Hidden Markov Models for Time Series (2016), chapter 8."

param start    : simplex[K]
param trans[K] : simplex[K]
param mu[K]    : real
param sigma[K] : positive

for t in T:
    latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
    data   x[t] ~ LogNormal(mu[z[t]], sigma[z[t]])
