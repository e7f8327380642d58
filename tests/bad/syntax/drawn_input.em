model M
input u ~ Normal(0, 1)
input v : real = 3
