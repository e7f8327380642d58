model M
latent z : real
data x[n]
param p : real ~
