model M
    param p : unit
    for n in N:
        data y[n] ~ Bernoulli(p)
