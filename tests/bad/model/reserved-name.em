density Delta(x : real; m : real) = exp(-(x - m)^2)
model M
for n in N:
    data x[n] ~ Delta(0)
