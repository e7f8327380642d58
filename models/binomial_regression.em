# emdsl fit models/binomial_regression.em models/data/menarche.csv \
#     --data total=Total --data y=Menarche --data u=Age
model BinomialRegression
    "Logistic regression of grouped data: y yeses of a total."
    "Milicer and Szczotka, Hum. Biol. 38 (1966): menarche of Warsaw girls by age."

param intercept : real
param beta      : real[P]

for n in N:
    input total[n] : count
    input u[n]     : real[P]
    data  y[n]     : count ~ Binomial(total[n], logit = intercept + dot(beta, u[n]))
