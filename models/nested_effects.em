# emdsl fit models/nested_effects.em models/data/pastes.csv
model NestedEffects
    "Casks within batches, each with its own level, assayed twice."
    "Davies and Goldsmith, Statistical Methods in Research and Production (1972)."

param mean : real
param between, within, assays : positive

for b in B:
    latent level[b] ~ Normal(mean, between)
    for c in C[b]:
        latent cask[b, c] ~ Normal(level[b], within)
        for j in J:
            data y[b, c, j] ~ Normal(cask[b, c], assays)
