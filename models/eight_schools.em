# emdsl fit models/eight_schools.em models/data/eight_schools.csv
model EightSchools
    "Effects of coaching, each with a known standard error; the schools' own are latent."
    "Rubin, J. Educ. Stat. 6 (1981). The likelihood is highest where the schools don't differ."

param mean : real
param tau  : positive

for i in I:
    input  se[i]    : positive
    latent theta[i] ~ Normal(mean, tau)
    data   y[i]     ~ Normal(theta[i], se[i])
