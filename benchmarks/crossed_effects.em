# emdsl check benchmarks/crossed_effects.em
model CrossedEffects
    "Each row is of one of I rows and one of J columns of a table, most of whose cells are empty."
    "Searle, Casella and McCulloch, Variance Components (1992)."

param mean             : real
param tau, rho, sigma  : positive

for i in I:
    latent a[i] ~ Normal(0, tau)

for j in J:
    latent b[j] ~ Normal(0, rho)

for n in N:
    input row[n] : index[I]
    input col[n] : index[J]
    data  y[n]   ~ Normal(mean + a[row[n]] + b[col[n]], sigma)
