# emdsl fit models/exponential_hmm.em models/data/coal_intervals.csv --set K=2
model ExponentialHMM(K = 2)
    "Waiting times whose rate switches: days between coal-mining disasters."
    "Rydén, Commun. Stat. Stoch. Models 10 (1994); data: Jarrett, Biometrika 66 (1979)."

param start    : simplex[K]
param trans[K] : simplex[K]
param rate[K]  : positive

for t in T:
    latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
    data   x[t] ~ Exponential(rate[z[t]])
