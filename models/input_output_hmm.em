# emdsl fit models/input_output_hmm.em models/data/driven.csv --data u=one,dose --set K=2
model InputOutputHMM(K = 2)
    "A hidden Markov model whose transitions depend on covariates, by a softmax from each state."
    "Bengio and Frasconi, IEEE Trans. Neural Netw. 7 (1996)."

param start    : simplex[K]
param trans[K] : real[K, P]
param mean[K]  : real
param sd[K]    : positive

for s in S:
    for t in T[s]:
        input  u[s, t] : real[P]
        latent z[s, t] ~ Categorical(start) if t == 0 else Categorical(
            softmax(trans[z[s, t-1]] @ u[s, t])
        )
        data   x[s, t] ~ Normal(mean[z[s, t]], sd[z[s, t]])
