# emdsl fit models/second_order_hmm.em models/data/geyser.csv --data x=long --set K=2
model SecondOrderHMM(K = 2)
    "A hidden Markov model that remembers the two states before."
    "Mari, Haton and Kriouile, IEEE Trans. Speech Audio Process. 5 (1997)."

param start       : simplex[K]
param second[K]   : simplex[K]
param trans[K, K] : simplex[K]
param emit[K]     : simplex[V]

for t in T:
    latent z[t] ~ case t:
        0: Categorical(start)
        1: Categorical(second[z[t-1]])
        else: Categorical(trans[z[t-2], z[t-1]])
    data x[t] : category[V] ~ Categorical(emit[z[t]])
