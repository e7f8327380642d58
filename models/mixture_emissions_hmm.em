# emdsl fit models/mixture_emissions_hmm.em models/data/geyser.csv \
#     --data x=waiting --set K=2 --set L=2
model MixtureEmissionsHMM(K = 2, L = 2)
    "A hidden Markov model whose states are mixtures of L normals each, as in speech recognition."
    "Juang, Levinson and Sondhi, IEEE Trans. Inf. Theory 32 (1986); Rabiner, Proc. IEEE 77 (1989)."

param start      : simplex[K]
param trans[K]   : simplex[K]
param weight[K]  : simplex[L]
param mean[K, L] : real
param sd[K]      : positive

for s in S:
    for t in T[s]:
        latent z[s, t] ~ Categorical(start) if t == 0 else Categorical(trans[z[s, t-1]])
        latent m[s, t] ~ Categorical(weight[z[s, t]])
        data   x[s, t] ~ Normal(mean[z[s, t], m[s, t]], sd[z[s, t]])
