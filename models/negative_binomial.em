# emdsl fit models/negative_binomial.em models/data/thyrion_accidents.csv --data y=accidents
model NegativeBinomialAccidents
    "Counts that scatter more than Poisson's: people whose rates differ as a gamma does."
    "Greenwood and Yule, J. R. Stat. Soc. 83 (1920); data: Thyrion 1960."

param mu, phi : positive

for n in N times freq[n]:
    data y[n] : count ~ NegativeBinomial(mu = mu, phi = phi)
