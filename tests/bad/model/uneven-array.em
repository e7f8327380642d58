model M
param v : real[2]
const c = [[1, 2], [3]]
for n in N:
    data x[n] ~ Categorical([0.5, v])
