model M
data x ~ Normal(0, 1]
param y : real]
const c = [1, 2)
