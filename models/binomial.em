# emdsl fit models/binomial.em models/data/saxony.csv --data y=males --data freq=families
model BinomialTable
    "One binomial of known trials: boys in families of twelve, Saxony 1876-1885."
    "Geissler 1889; Lindsey and Altham, Appl. Stat. 47 (1998)."

const trials = 12
param p      : unit

for n in N times freq[n]:
    data y[n] : count ~ Binomial(trials, p)
