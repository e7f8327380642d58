model M
const cell = [0, 1, 4]
const w : unit[3] = [0.5, 0.5, 2]
const v : real[3] = 2
for n in N:
    latent z[n] ~ Categorical([0.2, 0.3, 0.5])
    data x[n] : category[4] ~ Delta(cell[z[n]])
    data y[n] : bool ~ Poisson(3) if n == 0 else Delta(2)
