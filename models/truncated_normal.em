# emdsl fit models/truncated_normal.em models/data/pearson_crabs.csv --data x=bin
model TruncatedNormal
    "A normal of which only what lies within limits was recorded, as recruits of enough height."
    "Pearson and Lee, Biometrika 6 (1908); data: Pearson 1894."

const lower = 0
const upper = 30

param mean : real
param sd   : positive

for n in N times freq[n]:
    data x[n] ~ Truncated(Normal(mean, sd), lower, upper)
