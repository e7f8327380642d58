# emdsl fit models/dawid_skene.em models/data/dawid_skene.csv
model DawidSkene
    "The truth behind several annotators' labels, each annotator with errors of their own."
    "Dawid and Skene, Appl. Stat. 28 (1979)."

param prevalence      : simplex[K]
param confusion[A, K] : simplex[K]

for i in I:
    latent truth[i] ~ Categorical(prevalence)

for r in R:
    input item[r]      : index[I]
    input annotator[r] : index[A]
    data  label[r]     : category[K] ~ Categorical(confusion[annotator[r], truth[item[r]]])
