model M
param a : real
let b0 = a
let b1 = b0 + b0
let b2 = b1 + b1
let b3 = b2 + b2
let b4 = b3 + b3
let b5 = b4 + b4
let b6 = b5 + b5
let b7 = b6 + b6
let b8 = b7 + b7
let b9 = b8 + b8
let b10 = b9 + b9
let b11 = b10 + b10
let b12 = b11 + b11

for n in N:
    data x[n] ~ Normal(b12, 1)
