# emdsl fit models/coin_map.em models/data/coin.csv
model CoinMAP
    "A coin with a Beta prior: heads and tails are counted as if some had been seen before."
    "Gelman et al., Bayesian Data Analysis (2013), section 2.4."

param p : unit ~ Beta(2, 2)

for n in N:
    data x[n] : bool ~ Bernoulli(p)
