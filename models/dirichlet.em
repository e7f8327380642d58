# emdsl fit models/dirichlet.em models/data/iris_shares.csv
model DirichletShares
    "Shares of a whole, by one Dirichlet."
    "Ronning, J. Stat. Comput. Simul. 32 (1989); Minka 2000; data: Anderson 1935."

param alpha : positive[D]

for n in N:
    data x[n] : simplex[D] ~ Dirichlet(alpha)
