density A(x : count; a : real) = x
mass B(x : real; a : real) = x
density C(x : real[3]; a : simplex[3]) = x
density D(x : real; a : reel) = x + y
model M
for n in N:
    data x[n] ~ A(1)
    data y[n] ~ C(zz)
