# emdsl fit models/coin.em models/data/coin.csv
model Coin
    "The probability of heads: nothing latent, so EM is one exact M-step."
    "Bernoulli, Ars Conjectandi (1713)."

param p : unit

for n in N:
    data x[n] : bool ~ Bernoulli(p)
