# emdsl fit models/semi_supervised_naive_bayes.em models/data/iris_partly_labelled.csv
model SemiSupervisedNaiveBayes
    "Naive Bayes where only some of the rows carry a label."
    "Nigam, McCallum, Thrun and Mitchell, Mach. Learn. 39 (2000); data of Anderson 1935."

param weight  : simplex[K]
param mean[K] : real[D]
param sd[K]   : positive[D]

for n in N:
    data z[n] : category[K] ~ Categorical(weight)  # blank where unknown
    data x[n] : real[D] ~ Normal(mean[z[n]], sd[z[n]])
