# emdsl fit models/coupled_hmm.em models/data/geyser.csv \
#     --data x=waiting --data y=duration --set K=2
model CoupledHMM(K = 2, L = 2)
    "Two hidden chains, each with its own observations, that lean on each other's past."
    "Brand, Oliver and Pentland, CVPR 1997; data: Azzalini and Bowman 1990."

param start_a       : simplex[K]
param start_b       : simplex[L]
param trans_a[K, L] : simplex[K]
param trans_b[K, L] : simplex[L]
param mean_a[K]     : real
param mean_b[L]     : real
param sd_a, sd_b    : positive

for t in T:
    latent a[t] ~ Categorical(start_a) if t == 0 else Categorical(trans_a[a[t-1], b[t-1]])
    latent b[t] ~ Categorical(start_b) if t == 0 else Categorical(trans_b[a[t-1], b[t-1]])
    data   x[t] ~ Normal(mean_a[a[t]], sd_a)
    data   y[t] ~ Normal(mean_b[b[t]], sd_b)
