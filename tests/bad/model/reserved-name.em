density Normal(x : real; m : real) = exp(-(x - m)^2)
model M
for n in N:
    data x[n] ~ Normal(0, 1)
