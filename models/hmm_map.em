# emdsl fit models/hmm_map.em models/data/cued.csv --set K=3
model HMMMAP(K = 3)
    "A hidden Markov model kept off the corners by Dirichlet priors."
    "Stolcke and Omohundro, NIPS 5 (1993); MacKay 1997; Rabiner, Proc. IEEE 77 (1989)."

param start    : simplex[K] ~ Dirichlet(2 * ones[K])
param trans[K] : simplex[K] ~ Dirichlet(2 * ones[K])
param emit[K]  : simplex[V] ~ Dirichlet(2 * ones[V])

for s in S:
    for t in T[s]:
        latent z[s, t] ~ Categorical(start) if t == 0 else Categorical(trans[z[s, t-1]])
        data   x[s, t] : category[V] ~ Categorical(emit[z[s, t]])
