# emdsl fit models/markov_chain.em models/data/geyser.csv --data x=long
model MarkovChain
    "A Markov chain, seen: transitions are counted, nothing is latent."
    "Markov 1906; Anderson and Goodman, Ann. Math. Stat. 28 (1957)."

param start    : simplex[V]
param trans[V] : simplex[V]

for s in S:
    for t in T[s]:
        data x[s, t] : category[V] ~ Categorical(start) if t == 0 else Categorical(trans[x[s, t-1]])
