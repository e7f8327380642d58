# emdsl check benchmarks/wishart_groups.em
model WishartGroups
    "Precisions of groups, drawn from a Wishart of known degrees of freedom."
    "Gelman et al., Bayesian Data Analysis (2013), section 3.6."

param scale : posdef[D]

for g in G:
    latent prec[g] : posdef[D] ~ Wishart(D + 4, scale)

for n in N:
    input group[n] : index[G]
    data  x[n]     : real[D] ~ MvNormal(zeros[D], precision = prec[group[n]])
