# emdsl fit models/pearson_crabs_binned.em models/data/pearson_crabs_bins.csv --data bin=left,right
model PearsonCrabsBinned(K = 2)
    "Two normals in a frequency table: of each crab only its bin is known, not where in it it lies."
    "Pearson, Phil. Trans. R. Soc. A 185 (1894); McLachlan and Jones, Biometrics 44 (1988)."

param weight  : simplex[K]
param mean[K] : real
param sd[K]   : positive

for n in N times freq[n]:
    latent z[n]   ~ Categorical(weight)
    data   bin[n] ~ Interval(Normal(mean[z[n]], sd[z[n]]))
