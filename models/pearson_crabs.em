# emdsl fit models/pearson_crabs.em models/data/pearson_crabs.csv --data x=bin
model PearsonCrabs(K = 2)
    "Two normals in a frequency table: the first mixture ever fitted, to crabs of Naples."
    "Pearson, Phil. Trans. R. Soc. A 185 (1894)."

param weight  : simplex[K]
param mean[K] : real
param sd[K]   : positive

for n in N times freq[n]:
    latent z[n] ~ Categorical(weight)
    data   x[n] ~ Normal(mean[z[n]], sd[z[n]])
