# emdsl fit models/normal_uniform_noise.em models/data/newcomb.csv
model NormalUniformNoise
    "A normal among uniform background noise: Newcomb's light, two blunders among them."
    "Banfield and Raftery, Biometrics 49 (1993); data: Stigler, Ann. Stat. 5 (1977)."

const lower = -50
const upper = 50
param clean : unit
param mean  : real
param sd    : positive

for n in N:
    latent good[n] ~ Bernoulli(clean)
    data   x[n]    ~ Normal(mean, sd) if good[n] else Uniform(lower, upper)
