# emdsl fit models/gamma_frailty.em models/data/kidney.csv \
#     --data who=patient --data died=infected --data sex=female
likelihood Lifetime(t : positive; rate : positive, died : count) = rate^died * exp(-rate * t)

model GammaFrailty
    "Times to infection, censored; those of a patient share a frailty, and its variance is v."
    "Clayton, Biometrika 65 (1978); data: McGilchrist and Aisbett, Biometrics 47 (1991)."

param rate[2] : positive
param v       : positive

for g in G:
    latent frailty[g] ~ Gamma(1 / v, 1 / v)

for n in N:
    input who[n]  : index[G]
    input died[n] : count
    input sex[n]  : category[2]
    data  time[n] ~ Lifetime(frailty[who[n]] * rate[sex[n]], died[n])
