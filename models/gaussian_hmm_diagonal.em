# emdsl fit models/gaussian_hmm_diagonal.em models/data/geyser.csv \
#     --data x=waiting,duration --set K=2
model DiagonalGaussianHMM(K = 2)
    "A hidden Markov model with D independent normals for each state; missing cells drop out."
    "Juang, AT&T Tech. J. 64 (1985); Azzalini and Bowman, Appl. Stat. 39 (1990)."

param start    : simplex[K]
param trans[K] : simplex[K]
param mean[K]  : real[D]
param var[K]   : positive[D]

for t in T:
    latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
    data   x[t] : real[D] ~ Normal(mean[z[t]], var = var[z[t]])
