# emdsl fit models/poisson_exposure.em models/data/doctors.csv
model PoissonExposure
    "Deaths in so many person-years: the rate is multiplied by the exposure, its log is an offset."
    "Doll and Hill 1966: smoking and coronary deaths of British doctors; Breslow and Day 1987."

param base[A] : real  # log rate of those who don't smoke, in each age group
param smoking : real

for n in N:
    input age[n]    : category[A]
    input smoker[n] : real
    input years[n]  : positive
    data  deaths[n] : count ~ Poisson(log = base[age[n]] + smoking * smoker[n] + log(years[n]))
