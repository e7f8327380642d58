model M
param w : real
for n in N times w:
    data x[n] ~ Normal(0, 1)
for m in J times freq[m] + 1:
    data y[m] ~ Normal(0, 1)
