model M(K = 2)
param z : category[K]
param n : count
for i in I:
    data x[i] ~ Binomial(n, 0.5)
