model M
param data : real
let for = 3
let a = input + 1
for in in N:
    data x[in] ~ Normal(0, 1)
