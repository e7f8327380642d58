model M
param v : real[2]
let e = v + 1
for n in N:
    data x[n] ~ Normal((v + v)[0], 1)
    data y[n] ~ Normal(e[1], 1)
