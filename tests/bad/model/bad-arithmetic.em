model M
const a = 1 / 0
const b = 10.0^1000
const c = (-2)^0.5
for n in N:
    data x[n] ~ Normal(a + b, c)
