# emdsl fit models/semi_supervised_hmm.em models/data/casino.csv
model SemiSupervisedHMM
    "Rolls of a casino that swaps its dice now and then; someone saw which, some of the time."
    "Merialdo, Comput. Linguist. 20 (1994); Durbin et al., Biological Sequence Analysis (1998)."

param start    : simplex[K]
param trans[K] : simplex[K]
param emit[K]  : simplex[V]

for s in S:
    for t in T[s]:
        data z[s, t] : category[K] ~ Categorical(start) if t == 0 else Categorical(trans[z[s, t-1]])
        data x[s, t] : category[V] ~ Categorical(emit[z[s, t]])
