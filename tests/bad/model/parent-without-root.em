model M(K = 2)
param start    : simplex[K]
param trans[K] : simplex[K]
for s in S:
    for t in T[s]:
        input parent[s, t] : index[T]
        latent z[s, t] ~ Categorical(trans[z[s, parent[s, t]]])
        latent w[s, t] ~ Categorical(start) if parent[s, t] < 0 else Categorical(trans[w[s, parent[s, t]]])
        latent v[s, t] ~ Categorical(start) if t == 0 else Categorical(trans[v[s, parent[s, t]]])
        latent u[s, t] ~ Categorical(start) if z[s, t] == 0 else Categorical(trans[u[s, parent[s, t]]])
        data x[s, t] ~ Normal(z[s, t] + w[s, t] + v[s, t] + u[s, t], 1)
