# emdsl fit models/family_effects.em models/data/siblings.csv --data y=height,weight,reach
model FamilyEffects
    "Several measurements of siblings: those of a family share an effect; cells may be missing."
    "Laird, Ware, Biometrics 38 (1982); multivariate: Shah, Laird, Schoenfeld, JASA 92 (1997)."

param mean            : real[D]
param between, within : posdef[D]

for g in G:
    latent b[g] : real[D] ~ MvNormal(zeros[D], between)

for n in N:
    input group[n] : index[G]
    data  y[n]     : real[D] ~ MvNormal(mean + b[group[n]], within)
