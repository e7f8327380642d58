model M
param m : real
for n in N:
    latent y[n] ~ Categorical([0.2, 0.3, 0.5])
    data x[n] ~ case y[n]:
        0: Normal(0, 1)
        0: Normal(1, 1)
        else: Normal(2, 1)
    data v[n] ~ case y[n]:
        else: Normal(0, 1)
        3: Normal(1, 1)
    data u[n] ~ case y[n]:
        3: Normal(0, 1)
        else: Normal(1, 1)
    data t[n] ~ case m:
        0: Normal(0, 1)
        else: Normal(1, 1)
    data s[n] ~ case y[n]:
        m: Normal(0, 1)
        else: Normal(1, 1)
