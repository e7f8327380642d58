# emdsl fit models/hmm.em models/data/cued.csv --set K=2
model HMM(K = 2)
    "A hidden Markov model on several sequences of symbols, ragged in length."
    "Baum, Petrie, Soules and Weiss, Ann. Math. Stat. 41 (1970); Rabiner, Proc. IEEE 77 (1989)."

param start    : simplex[K]
param trans[K] : simplex[K]
param emit[K]  : simplex[V]

for s in S:
    for t in T[s]:
        latent z[s, t] ~ Categorical(start) if t == 0 else Categorical(trans[z[s, t-1]])
        data   x[s, t] : category[V] ~ Categorical(emit[z[s, t]])
