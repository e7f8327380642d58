# emdsl fit models/censored_lifetimes.em models/data/lung.csv --data died=event --data watched=time
model CensoredLifetimes
    "Exponential lifetimes, some cut short: the dead give a density, the others only survival."
    "Epstein and Sobel, J. Am. Stat. Assoc. 48 (1953); data: Loprinzi et al. 1994."

param rate : positive

for n in N:
    input died[n]    : bool
    input watched[n] : positive
    data  time[n]    ~ Exponential(rate) if died[n] else Censored(
        Exponential(rate), upper = watched[n]
    )
