# emdsl fit models/scale_types.em models/data/role_conflict.csv
model ScaleTypes
    "Guttman's scale: those who answer every item easier than their own, and the unscalable."
    "Goodman, J. Am. Stat. Assoc. 70 (1975); data: Stouffer and Toby, Am. J. Sociol. 56 (1951)."

param weight    : simplex[6]
param yes[6, 4] : unit  # of each class, the unscalable last

for n in N times freq[n]:
    latent z[n] ~ Categorical(weight)
    for j in 4:
        data y[n, j] : bool ~ Bernoulli(yes[z[n], j])

constrain yes[0] == 0
constrain yes[1, 0] == 1
constrain yes[1, 1] == 0
constrain yes[1, 2] == 0
constrain yes[1, 3] == 0
constrain yes[2, 0] == 1
constrain yes[2, 1] == 1
constrain yes[2, 2] == 0
constrain yes[2, 3] == 0
constrain yes[3, 0] == 1
constrain yes[3, 1] == 1
constrain yes[3, 2] == 1
constrain yes[3, 3] == 0
constrain yes[4] == 1
