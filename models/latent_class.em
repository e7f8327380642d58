# emdsl fit models/latent_class.em models/data/survey_items.csv --set K=2
model LatentClass(K = 2)
    "Latent class analysis: J categorical items, independent given the class."
    "Goodman, Biometrika 61 (1974); Lazarsfeld and Henry 1968."

param weight     : simplex[K]
param prob[J, K] : simplex[V]

for n in N:
    latent z[n] ~ Categorical(weight)
    for j in J:
        data y[n, j] : category[V] ~ Categorical(prob[j, z[n]])
