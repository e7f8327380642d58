# emdsl fit models/mixture_of_hmms.em models/data/gaits.csv --set C=2 --set K=2
model MixtureOfHMMs(C = 2, K = 2)
    "Sequences of C kinds, each kind with a hidden Markov model of its own."
    "Smyth, NIPS 9 (1997)."

param weight      : simplex[C]
param start[C]    : simplex[K]
param trans[C, K] : simplex[K]
param mean[C, K]  : real
param sd          : positive

for s in S:
    latent c[s] ~ Categorical(weight)
    for t in T[s]:
        latent z[s, t] ~ Categorical(start[c[s]]) if t == 0 else Categorical(trans[c[s], z[s, t-1]])
        data   x[s, t] ~ Normal(mean[c[s], z[s, t]], sd)
