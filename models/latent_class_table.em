# emdsl fit models/latent_class_table.em models/data/leading_crowd.csv --set K=2
model LatentClassTable(K = 2)
    "Latent classes of a table of answers with their frequencies; a blank answer drops out."
    "Goodman, Biometrika 61 (1974); table: Coleman, Introduction to Mathematical Sociology (1964)."

param weight     : simplex[K]
param prob[J, K] : simplex[V]

for n in N times freq[n]:
    latent z[n] ~ Categorical(weight)
    for j in J:
        data y[n, j] : category[V] ~ Categorical(prob[j, z[n]])
