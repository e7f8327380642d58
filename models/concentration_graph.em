# emdsl fit models/concentration_graph.em models/data/iris.csv --data x=sl,sw,pl,pw --set K=3
model ConcentrationGraph(K = 3)
    "Normal components with one graph: what no edge joins is independent, given the rest."
    "Dempster, Biometrics 28 (1972); Roverato, Scand. J. Stat. 29 (2002); data: Anderson 1935."

param weight  : simplex[K]
param mean[K] : real[D]
param conc    : posdef[D]

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : real[D] ~ MvNormal(mean[z[n]], precision = conc)

constrain conc[0, 3] == 0
constrain conc[1, 2] == 0
