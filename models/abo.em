# emdsl fit models/abo.em models/data/abo.csv
model ABO
    "Blood groups from two unseen alleles, one of each parent, under random mating."
    "Ceppellini, Siniscalco and Smith, Ann. Hum. Genet. 20 (1955); data of Clarke et al. 1959."

param allele    : simplex[3]                         # A, B, O
const phenotype = [[0, 2, 0], [2, 1, 1], [0, 1, 3]]  # A, B, AB, O

for n in N times freq[n]:
    latent mother[n] ~ Categorical(allele)
    latent father[n] ~ Categorical(allele)
    data   blood[n]  : category[4] ~ Delta(phenotype[mother[n], father[n]])
