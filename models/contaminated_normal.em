# emdsl fit models/contaminated_normal.em models/data/newcomb.csv
model ContaminatedNormal
    "Two normals about one mean: good measurements, and a share of bad ones."
    "Tukey, in Contributions to Probability and Statistics (1960); data: Stigler 1977."

param bad     : unit
param mean[2] : real
param sd[2]   : positive

for n in N:
    latent z[n] ~ Bernoulli(bad)
    data   x[n] ~ Normal(mean[z[n]], sd[z[n]])

constrain mean[0] == mean[1]
constrain bad <= 0.5
