# emdsl fit models/dirichlet_multinomial.em models/data/word_counts.csv
model DirichletMultinomial
    "Counts of words whose shares differ from document to document."
    "Mosimann, Biometrika 49 (1962)."

param a : positive[V]

for n in N:
    latent share[n] : simplex[V] ~ Dirichlet(a)
    data   x[n]     : count[V] ~ Multinomial(p = share[n])
