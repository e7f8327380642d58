# emdsl fit models/truncated_poisson.em models/data/cholera.csv --data freq=households
model TruncatedPoisson
    "Cases of cholera in households that had one: a Poisson of which the zeros were not recorded."
    "McKendrick, Proc. Edinb. Math. Soc. 44 (1926), perhaps the first EM algorithm of all."

param rate : positive

for n in N times freq[n]:
    data cases[n] : count ~ Truncated(Poisson(rate), lower = 1)
