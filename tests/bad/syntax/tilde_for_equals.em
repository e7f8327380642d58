model M
const a ~ Normal(0, 1)
let b ~ Normal(0, 1)
let c == 3
const d == 3
let e : real = 3
