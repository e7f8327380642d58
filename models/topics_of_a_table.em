# emdsl fit models/topics_of_a_table.em models/data/hair_eye.csv --set K=2
model TopicsOfATable(K = 2)
    "Latent classes of a two-way table: rows and columns independent given the topic (PLSA)."
    "Hofmann, Mach. Learn. 42 (2001); Goodman 1974; table: Snee, Am. Stat. 28 (1974)."

param weight    : simplex[K]
param row[K]    : simplex[R]
param column[K] : simplex[C]

for n in N times freq[n]:
    latent z[n]    ~ Categorical(weight)
    data   hair[n] : category[R] ~ Categorical(row[z[n]])
    data   eye[n]  : category[C] ~ Categorical(column[z[n]])
