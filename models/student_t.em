# emdsl fit models/student_t.em models/data/newcomb.csv
model StudentT
    "Student's t as a normal whose precision was drawn from a gamma."
    "Dempster, Laird and Rubin 1977, section 4.6; Lange, Little and Taylor 1989."

param mu     : real
param s2, nu : positive

for n in N:
    latent u[n] ~ Gamma(nu / 2, nu / 2)
    data   x[n] ~ Normal(mu, var = s2 / u[n])
