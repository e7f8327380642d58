# emdsl fit models/jelinski_moranda.em models/data/ntds.csv
model JelinskiMoranda
    "Failures of a program, each repaired: the rate is proportional to the faults still in it."
    "Jelinski and Moranda 1972, their data of the Naval Tactical Data System."

param hazard : positive  # of each fault, a day
param left   : positive  # faults still there after the last failure, and the last one itself

for i in I:
    input after[i] : count  # failures seen after this one
    data  wait[i]  ~ Exponential(hazard * (after[i] + left))
