model M
param a : real;
param b$ : real
let c = a.b
let d = a × b
let e = a ≤ b
let f = a + b
let g = a % b
let h = ​a
let i = {a}
