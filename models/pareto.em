# emdsl fit models/pareto.em models/data/incomes.csv --set least=1
model ParetoIncomes
    "The tail of a size distribution, above a least size that is given."
    "Pareto 1896; Arnold, Pareto Distributions (2015)."

const least : positive
param shape : positive

for n in N:
    data x[n] ~ Pareto(least, shape)
