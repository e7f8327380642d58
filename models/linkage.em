# emdsl fit models/linkage.em models/data/linkage.csv
model Linkage
    "Genetic linkage of 197 animals: a multinomial of four cells, of which the first is two."
    "Dempster, Laird and Rubin, J. R. Stat. Soc. B 39 (1977), section 1; data of Rao 1973."

param t    : unit
const cell = [0, 0, 1, 2, 3]

for n in N times freq[n]:
    latent z[n] ~ Categorical([1/2, t/4, (1-t)/4, (1-t)/4, t/4])
    data   y[n] : category[4] ~ Delta(cell[z[n]])
