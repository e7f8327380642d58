# emdsl fit models/pareto.em models/data/incomes.csv
model ParetoIncomes
    "The tail of a size distribution above a least size."
    "Pareto 1896; Arnold, Pareto Distributions (2015)."

const least = 1
param shape : positive

for n in N:
    data x[n] ~ Pareto(least, shape)
