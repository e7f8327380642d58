# emdsl fit models/borel_outbreaks.em models/data/outbreaks.csv
mass Borel(m : count; r : unit) = exp(m * log(r * (m + 1)) - r * (m + 1) - lgamma(m + 2))

model BorelOutbreaks(K = 2)
    "Further cases after an outbreak's first, where each infects r on average: a mass of its own."
    "Borel, C. R. Acad. Sci. 214 (1942); Farrington, Kanaan and Gay, Biostatistics 4 (2003)."

param weight : simplex[K]
param r[K]   : unit

for n in N:
    latent z[n] ~ Categorical(weight)
    data   y[n] : count ~ Borel(r[z[n]])
