model M
param a : real param b : real
latent z ~ Normal(0, 1) data x ~ Normal(z, 1)
