# emdsl fit models/weibull_survival.em models/data/lung.csv \
#     --data died=event --data watched=time --data u=age,sex
model WeibullSurvival
    "Survival with covariates: the log of a Weibull's scale is linear, some lives are cut short."
    "Prentice, Biometrika 60 (1973); data: Loprinzi et al. 1994."

param intercept : real
param beta      : real[P]
param shape     : positive

for n in N:
    input died[n]    : bool
    input watched[n] : positive
    input u[n]       : real[P]
    let   scale[n]   = exp(intercept + dot(beta, u[n]))
    data  time[n]    ~ Weibull(shape, scale[n]) if died[n] else Censored(
        Weibull(shape, scale[n]), upper = watched[n]
    )
