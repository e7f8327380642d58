# emdsl check models/lda.em
model LDA(K = 10)
    "Latent Dirichlet allocation: every document mixes the K topics in its own proportions."
    "Blei, Ng and Jordan, J. Mach. Learn. Res. 3 (2003)."

param alpha    : positive[K]
param topic[K] : simplex[V]

for d in D:
    latent theta[d] : simplex[K] ~ Dirichlet(alpha)
    for w in W[d]:
        latent z[d, w]    ~ Categorical(theta[d])
        data   word[d, w] : category[V] ~ Categorical(topic[z[d, w]])

infer theta, z using meanfield
