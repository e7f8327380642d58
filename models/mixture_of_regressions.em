# emdsl fit models/mixture_of_regressions.em models/data/tone.csv \
#     --data u=one,stretchratio --data y=tuned
model MixtureOfRegressions(K = 2)
    "K regression lines, each point on one of them."
    "Quandt, J. Am. Stat. Assoc. 67 (1972); de Veaux 1989; data: Cohen 1980."

param weight  : simplex[K]
param beta[K] : real[P]
param sd[K]   : positive

for n in N:
    input  u[n] : real[P]
    latent z[n] ~ Categorical(weight)  # experts: Categorical(softmax(gate @ u[n]))
    data   y[n] ~ Normal(dot(beta[z[n]], u[n]), sd[z[n]])
