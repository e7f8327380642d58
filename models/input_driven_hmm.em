# emdsl fit models/input_driven_hmm.em models/data/cued.csv --set K=2
model InputDrivenHMM(K = 2)
    "A hidden Markov model whose transitions depend on a given input, here one of U cues."
    "Bengio and Frasconi, IEEE Trans. Neural Netw. 7 (1996)."

param start       : simplex[K]
param trans[U, K] : simplex[K]
param emit[K]     : simplex[V]

for s in S:
    for t in T[s]:
        input  u[s, t] : category[U]
        latent z[s, t] ~ Categorical(start) if t == 0 else Categorical(trans[u[s, t], z[s, t-1]])
        data   x[s, t] : category[V] ~ Categorical(emit[z[s, t]])
