# emdsl fit models/semi_markov.em models/data/lynx.csv --data x=log10 --set D=8
model HiddenSemiMarkov(K = 2, D = 4)
    "A hidden semi-Markov model: a state is entered for a number of steps that are counted down."
    "Ferguson 1980; Yu, Artif. Intell. 174 (2010)."

param start       : simplex[K]
param trans[K]    : simplex[K]
param duration[K] : simplex[D]
param mean[K]     : real
param sd[K]       : positive

for t in T:
    latent z[t] ~ case t:
        0: Categorical(start)
        else: Delta(z[t-1]) if left[t-1] > 0 else Categorical(trans[z[t-1]])
    latent left[t] : category[D] ~ case t:
        0: Categorical(duration[z[t]])
        else: Delta(left[t-1] - 1) if left[t-1] > 0 else Categorical(duration[z[t]])
    data x[t] ~ Normal(mean[z[t]], sd[z[t]])
