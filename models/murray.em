# emdsl fit models/murray.em models/data/murray.csv
model Murray
    "Two variables with mean zero, each missing in some rows: two maxima and a saddle between."
    "Murray, J. R. Stat. Soc. B 39 (1977), in the discussion of Dempster, Laird and Rubin."

param cov : posdef[D]

for n in N:
    data x[n] : real[D] ~ MvNormal(zeros[D], cov)
