model M
density F(x) = 3
density G(x : real, s : real) = x
density H(x : real) ~ Normal(0, 1)
density (x : real) = x
density I(x : real; s) = x
