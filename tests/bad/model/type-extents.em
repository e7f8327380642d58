model M
param a : simplex
param b : posdef[D, D]
param c : orthogonal[D, D]
param d : shape
for n in N:
    data x[n] : category ~ Categorical(a)
