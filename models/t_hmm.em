# emdsl fit models/t_hmm.em models/data/macro_growth.csv --data x=consumption --set K=2
model THMM(K = 2)
    "A hidden Markov model of heavy tails: Student's t by latent scales."
    "Chatzis, Kosmopoulos and Varvarigou, IEEE Trans. Pattern Anal. Mach. Intell. 31 (2009)."

param start    : simplex[K]
param trans[K] : simplex[K]
param loc[K]   : real
param s2[K]    : positive
param nu       : positive

for t in T:
    latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
    latent u[t] ~ Gamma(nu / 2, nu / 2)
    data   x[t] ~ Normal(loc[z[t]], var = s2[z[t]] / u[t])
