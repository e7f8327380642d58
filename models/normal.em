# emdsl fit models/normal.em models/data/newcomb.csv
model NormalSample
    "Mean and standard deviation of one sample."
    "Gauss, Theoria Motus (1809); data: Stigler, Ann. Stat. 5 (1977)."

param mean : real
param sd   : positive

for n in N:
    data x[n] ~ Normal(mean, sd)
