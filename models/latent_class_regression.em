# emdsl fit models/latent_class_regression.em models/data/attitudes.csv --data u=one,age --set K=2
model LatentClassRegression(K = 2)
    "Latent classes whose shares depend on covariates, concomitant variables."
    "Dayton and Macready, J. Am. Stat. Assoc. 83 (1988)."

param gate[K]    : real[P]
param prob[J, K] : simplex[V]

for n in N:
    input  u[n] : real[P]
    latent z[n] ~ Categorical(softmax(gate @ u[n]))
    for j in J:
        data y[n, j] : category[V] ~ Categorical(prob[j, z[n]])
