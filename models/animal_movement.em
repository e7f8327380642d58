# emdsl fit models/animal_movement.em models/data/tracks.csv --set K=2
model AnimalMovement(K = 2)
    "What an animal is doing, from how far it goes and which way it turns at each step."
    "Morales et al., Ecology 85 (2004); Langrock et al., Ecology 93 (2012)."

param start             : simplex[K]
param trans[K]          : simplex[K]
param shape[K], rate[K] : positive
param turn[K]           : real
param kappa[K]          : positive

for s in S:
    for t in T[s]:
        latent z[s, t]     ~ Categorical(start) if t == 0 else Categorical(trans[z[s, t-1]])
        data   step[s, t]  ~ Gamma(shape[z[s, t]], rate[z[s, t]])
        data   angle[s, t] ~ VonMises(turn[z[s, t]], kappa[z[s, t]])
