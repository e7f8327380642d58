model M
param a : real
const c = a + 1
const d = exp(2)
const e = [1, 2] + 1
for n in N:
    data x[n] ~ Normal(a + c + d, 1)
