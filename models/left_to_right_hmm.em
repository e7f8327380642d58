# emdsl fit models/left_to_right_hmm.em models/data/strokes.csv
model LeftToRightHMM
    "Three stages gone through in order, none skipped and none twice: zeros are written down."
    "Bakis 1976; Rabiner, Proc. IEEE 77 (1989), section IV.A."

param stay[2] : unit
param mean[3] : real
param sd      : positive
let   trans   = [[stay[0], 1-stay[0], 0], [0, stay[1], 1-stay[1]], [0, 0, 1]]

for s in S:
    for t in T[s]:
        latent z[s, t] ~ Delta(0) if t == 0 else Categorical(trans[z[s, t-1]])
        data   x[s, t] ~ Normal(mean[z[s, t]], sd)
