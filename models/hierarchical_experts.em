# emdsl fit models/hierarchical_experts.em models/data/bends.csv --data u=one,x
model HierarchicalExperts(J = 2, K = 2)
    "Experts in two levels: a gate chooses a branch, the branch's own gate an expert."
    "Jordan and Jacobs, Neural Comput. 6 (1994)."

param top[J]     : real[P]
param low[J, K]  : real[P]
param beta[J, K] : real[P]
param sd[J, K]   : positive

for n in N:
    input  u[n] : real[P]
    latent b[n] ~ Categorical(softmax(top @ u[n]))
    latent z[n] ~ Categorical(softmax(low[b[n]] @ u[n]))
    data   y[n] ~ Normal(dot(beta[b[n], z[n]], u[n]), sd[b[n], z[n]])
