# emdsl fit models/two_coins.em models/data/two_coins.csv --data tosses=n
model TwoCoins
    "Sets of tosses, each with one of two coins chosen at random, nobody saw which."
    "Do and Batzoglou, Nat. Biotechnol. 26 (2008)."

param heads_prob[2] : unit

for s in S:
    input  tosses[s] : count
    latent coin[s]   ~ Categorical([1/2, 1/2])
    data   heads[s]  : count ~ Binomial(tosses[s], heads_prob[coin[s]])
