model M(K = 3)
param a : positive[K]
param topic[K] : simplex[V]
for d in D:
    latent th[d] : simplex[K] ~ Dirichlet(a)
    for w in W[d]:
        latent z[d, w] ~ Categorical(th[d])
        data x[d, w] : category[V] ~ Categorical(topic[z[d, w]])
