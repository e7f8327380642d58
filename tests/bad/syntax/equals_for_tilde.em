model M
param p = 3
param q : unit = Beta(2, 2)
latent z = Normal(0, 1)
data x : real = Normal(z, 1)
data y == Normal(z, 1)
