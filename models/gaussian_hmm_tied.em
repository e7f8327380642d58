# emdsl fit models/gaussian_hmm_tied.em models/data/geyser.csv --data x=waiting,duration --set K=2
model TiedGaussianHMM(K = 2)
    "A hidden Markov model whose states share one full covariance."
    "Paul, Speech Commun. 10 (1991), tied grand covariances; Bishop 2006, section 13.2."

param start    : simplex[K]
param trans[K] : simplex[K]
param mean[K]  : real[D]
param cov      : posdef[D]

for t in T:
    latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
    data   x[t] : real[D] ~ MvNormal(mean[z[t]], cov)
