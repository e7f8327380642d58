# emdsl fit models/censored_lifetimes.em models/data/lung.csv --data died=event
likelihood Lifetime(t : positive; rate : positive, died : count) = rate^died * exp(-rate * t)

model CensoredLifetimes
    "Exponential lifetimes, some cut short: the dead give a density, the others only survival."
    "Epstein and Sobel, J. Am. Stat. Assoc. 48 (1953); data: Loprinzi et al. 1994."

param rate : positive

for n in N:
    input died[n] : count
    data  time[n] ~ Lifetime(rate, died[n])
