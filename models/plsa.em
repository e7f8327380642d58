# emdsl fit models/plsa.em models/data/hair_eye.csv \
#     --data doc=hair --data word=eye --data count=freq --set K=2
model PLSA(K = 2)
    "Probabilistic latent semantic analysis: every document mixes K topics in its own proportions."
    "Hofmann, Mach. Learn. 42 (2001); table: Snee, Am. Stat. 28 (1974)."

param mix[D]   : simplex[K]
param topic[K] : simplex[V]

for r in R times count[r]:
    input  doc[r]  : category[D]
    latent z[r]    ~ Categorical(mix[doc[r]])
    data   word[r] : category[V] ~ Categorical(topic[z[r]])
