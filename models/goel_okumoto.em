# emdsl fit models/goel_okumoto.em models/data/ntds_decades.csv
model GoelOkumoto
    "Failures as a Poisson process whose rate falls exponentially: a in all, found at rate b."
    "Goel and Okumoto, IEEE Trans. Reliab. 28 (1979); data: Jelinski and Moranda 1972."

param a, b : positive

for i in I:
    input begin[i]    : real  # day; and how many days long
    input length[i]   : positive
    data  failures[i] : count ~ Poisson(a * exp(-b * begin[i]) * (1 - exp(-b * length[i])))
