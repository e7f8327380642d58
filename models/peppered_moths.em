# emdsl fit models/peppered_moths.em models/data/moths.csv
model PepperedMoths
    "Wing colours of moths from two unseen alleles, C dominant over I and T, I over T."
    "Givens and Hoeting, Computational Statistics (2013), section 4.2."

param allele    : simplex[3]                         # C, I, T
const phenotype = [[0, 0, 0], [0, 1, 1], [0, 1, 2]]  # carbonaria, insularia, typica

for n in N times freq[n]:
    latent mother[n] ~ Categorical(allele)
    latent father[n] ~ Categorical(allele)
    data   wings[n]  : category[3] ~ Delta(phenotype[mother[n], father[n]])
