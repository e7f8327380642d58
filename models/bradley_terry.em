# emdsl fit models/bradley_terry.em models/data/baseball.csv
model BradleyTerry
    "Paired comparisons: who wins depends on the difference of two strengths, picked by the data."
    "Bradley and Terry, Biometrika 39 (1952); baseball as in Agresti, Categorical Data Analysis."

param strength[T] : real

constrain strength[0] == 0  # only differences are determined

for n in N:
    input first[n]  : category[T]
    input second[n] : category[T]
    input games[n]  : count
    data  wins[n]   : count ~ Binomial(games[n], logit = strength[first[n]] - strength[second[n]])
