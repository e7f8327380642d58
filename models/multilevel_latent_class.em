# emdsl fit models/multilevel_latent_class.em models/data/pupils.csv --set H=2 --set K=2
model MultilevelLatentClass(H = 2, K = 2)
    "Latent classes of pupils whose shares depend on the latent class of their school."
    "Vermunt, Sociol. Methodol. 33 (2003)."

param weight     : simplex[H]
param mix[H]     : simplex[K]
param prob[J, K] : simplex[V]

for g in G:
    latent h[g] ~ Categorical(weight)
    for n in N[g]:
        latent z[g, n] ~ Categorical(mix[h[g]])
        for j in J:
            data y[g, n, j] : category[V] ~ Categorical(prob[j, z[g, n]])
