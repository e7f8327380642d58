# emdsl fit models/accident_proneness.em models/data/thyrion_accidents.csv --data y=accidents
model AccidentProneness
    "Every motorist has a rate of accidents; together they are negative binomial."
    "Greenwood and Yule, J. R. Stat. Soc. 83 (1920); data: Thyrion 1960."

param a, b : positive

for n in N times freq[n]:
    latent rate[n] ~ Gamma(a, b)
    data   y[n]    : count ~ Poisson(rate[n])
