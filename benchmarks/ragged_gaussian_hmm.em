# benchmarks/chains.py: models/gaussian_hmm_diagonal.em on many sequences
model RaggedGaussianHMM(K = 2)
    "A hidden Markov model with D independent normals for each state, on several sequences."
    "Juang, AT&T Tech. J. 64 (1985)."

param start    : simplex[K]
param trans[K] : simplex[K]
param mean[K]  : real[D]
param var[K]   : positive[D]

for s in S:
    for t in T[s]:
        latent z[s, t] ~ Categorical(start) if t == 0 else Categorical(trans[z[s, t-1]])
        data   x[s, t] : real[D] ~ Normal(mean[z[s, t]], var = var[z[s, t]])
