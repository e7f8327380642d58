# emdsl fit models/ibm_model_1.em models/data/ibm1_words.csv
model IBMModel1
    "Word translation: each word comes from one of the L words of the other language's sentence."
    "Brown, Della Pietra, Della Pietra and Mercer, Comput. Linguist. 19 (1993); Koehn 2010."

param translation[G] : simplex[E]

for n in N:
    input  source[n] : category[G, L]
    input  share[n]  : simplex[L]  # 1 / length; 0 beyond the end of a shorter sentence
    latent link[n]   ~ Categorical(share[n])
    data   word[n]   : category[E] ~ Categorical(translation[source[n, link[n]]])
