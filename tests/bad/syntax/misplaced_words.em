model M
if x == 3:
    param y : real
else:
    param z : real
case k:
    0: Normal(0, 1)
for n in N:
    infer z using meanfield
    density F(x : real) = x
