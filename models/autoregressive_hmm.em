# emdsl fit models/autoregressive_hmm.em models/data/lynx.csv --data x=log10 --set K=2
model AutoregressiveHMM(K = 2)
    "A series that follows one of K autoregressions of order one, switched by a hidden chain."
    "Hamilton, Econometrica 57 (1989); Poritz, ICASSP 1982. The first value is taken as given."

param start    : simplex[K]
param trans[K] : simplex[K]
param first    : real
param mu[K]    : real
param phi[K]   : real
param sd[K]    : positive

for t in T:
    latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
    data   x[t] ~ Normal(first, 1) if t == 0 else Normal(mu[z[t]] + phi[z[t]] * x[t-1], sd[z[t]])
