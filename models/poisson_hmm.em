# emdsl fit models/poisson_hmm.em models/data/earthquakes.csv --data y=count --set K=3
model PoissonHMM(K = 2)
    "Counts that change with a hidden state: the great earthquakes of each year, 1900-2006."
    "Zucchini, MacDonald and Langrock, Hidden Markov Models for Time Series (2016)."

param start    : simplex[K]
param trans[K] : simplex[K]
param rate[K]  : positive

for t in T:
    latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
    data   y[t] : count ~ Poisson(rate[z[t]])
