# emdsl fit models/exponential.em models/data/coal_intervals.csv
model ExponentialSample
    "One exponential: days between coal-mining disasters."
    "Maguire, Pearson and Wynn, Biometrika 39 (1952); Jarrett, Biometrika 66 (1979)."

param rate : positive

for n in N:
    data x[n] ~ Exponential(rate)
