# emdsl fit models/asymmetric_laplace.em models/data/newcomb.csv
density Split(x : real; c : real, w : unit, a, b : positive) = (
    w / a * exp((x - c) / a) if x < c else (1 - w) / b * exp(-(x - c) / b)
)

model AsymmetricLaplace
    "Newcomb's times about a known centre, with a tail of its own on each side."
    "Kotz, Kozubowski and Podgorski, The Laplace Distribution and Generalizations (2001)."

const centre = 27

param w    : unit
param a, b : positive

for n in N:
    data x[n] ~ Split(centre, w, a, b)
