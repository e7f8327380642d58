model M
for (n in 1:N):
    data x[n] ~ Normal(0, 1)
for n in 1:N:
    data y[n] ~ Normal(0, 1)
for n, m in N:
    data z[n] ~ Normal(0, 1)
for n = N:
    data w[n] ~ Normal(0, 1)
for n in N: data v[n] ~ Normal(0, 1)
