# emdsl fit models/gaussian_hmm.em models/data/geyser.csv --data x=waiting,duration --set K=2
model GaussianHMM(K = 2)
    "A hidden Markov model with a multivariate normal for each state."
    "Liporace, IEEE Trans. Inf. Theory 28 (1982); Bishop 2006, section 13.2."

param start    : simplex[K]
param trans[K] : simplex[K]
param mean[K]  : real[D]
param cov[K]   : posdef[D]

for s in S:
    for t in T[s]:
        latent z[s, t] ~ Categorical(start) if t == 0 else Categorical(trans[z[s, t-1]])
        data   x[s, t] : real[D] ~ MvNormal(mean[z[s, t]], cov[z[s, t]])
