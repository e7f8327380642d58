model M
parma x : real
observed y ~ Normal(x, 1)
foo bar
real mu
mu ~ Normal(0, 1)
tau = 3
plate n in N:
    latnet z[n] ~ Normal(0, 1)
    Data x[n] ~ Normal(0, 1)
