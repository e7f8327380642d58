# emdsl fit models/two_changes.em models/data/coal_years.csv
model TwoChanges
    "A rate of counts that changes twice: a chain that never goes back, by structural zeros."
    "Chib, J. Econometrics 86 (1998); coal-mining disasters, 1851-1962."

param start    : simplex[3]
param trans[3] : simplex[3]
param rate[3]  : positive

for t in T:
    latent z[t] ~ Categorical(start) if t == 0 else Categorical(trans[z[t-1]])
    data   y[t] : count ~ Poisson(rate[z[t]])

constrain start[0] == 1
constrain trans[0][2] == 0
constrain trans[1][0] == 0
constrain trans[2][2] == 1
