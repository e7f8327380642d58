# emdsl fit models/positive_poisson.em models/data/cholera.csv \
#     --data more=further --data freq=households
mass Further(k : count; r : positive) = exp((k + 1) * log(r) - lgamma(k + 2)) / (exp(r) - 1)

model PositivePoisson
    "Cases of cholera in households that had one: a Poisson without its zeros, by cases but one."
    "McKendrick, Proc. Edinb. Math. Soc. 44 (1926), perhaps the first EM algorithm of all."

param rate : positive

for n in N times freq[n]:
    data more[n] : count ~ Further(rate)
