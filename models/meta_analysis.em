# emdsl fit models/meta_analysis.em models/data/bcg.csv --data s2=var
model MetaAnalysis
    "Studies of an effect that varies between them, each with a known variance of its own."
    "Hardy and Thompson, Stat. Med. 15 (1996); data: Colditz et al. 1994, BCG vaccination."

param mean    : real
param between : positive

for i in I:
    input s2[i] : positive
    data  y[i]  ~ Normal(mean, var = between + s2[i])
