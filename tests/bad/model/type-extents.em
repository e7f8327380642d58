model M
param a : simplex
param b : posdef[D, D]
for n in N:
    data x[n] : category ~ Categorical(a)
