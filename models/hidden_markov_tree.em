# emdsl fit models/hidden_markov_tree.em models/data/trees.csv --set K=2
model HiddenMarkovTree(K = 2)
    "States that pass from parent to child in trees, each seen through a number."
    "Crouse, Nowak and Baraniuk, IEEE Trans. Signal Process. 46 (1998); Durand et al. 2004."

param start    : simplex[K]
param trans[K] : simplex[K]
param mean[K]  : real
param sd[K]    : positive

for s in S:
    for t in T[s]:
        input  up[s, t] : index[T]  # the parent, by its place in the tree; -1 at the root
        latent z[s, t]  ~ Categorical(start) if up[s, t] < 0 else Categorical(trans[z[s, up[s, t]]])
        data   x[s, t]  ~ Normal(mean[z[s, t]], sd[z[s, t]])
