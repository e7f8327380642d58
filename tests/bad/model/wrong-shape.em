model M
param A : real[D, L]
param v : real[L]
param s : real
for n in N:
    data x[n] : real[D] ~ Normal(v @ A, 1)
    data y[n] ~ Normal(dot(v, s), 1)
    data w[n] ~ Normal(sum(s), 1)
    data u[n] ~ Categorical(softmax(s))
    data t[n] : real[D] ~ Normal(diag(A), 1)
    data r[n] : real[D] ~ Normal(transpose(v), 1)
density Q(x : real; a : real) = [x, a]
