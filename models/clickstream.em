# emdsl fit models/clickstream.em models/data/clicks.csv --set C=2
model Clickstream(C = 2)
    "Visitors of C kinds, each clicking from page to page by the Markov chain of its kind."
    "Cadez, Heckerman, Meek, Smyth and White, Data Min. Knowl. Discov. 7 (2003)."

param weight      : simplex[C]
param start[C]    : simplex[V]
param trans[C, V] : simplex[V]

for s in S:
    latent c[s] ~ Categorical(weight)
    for t in T[s]:
        data page[s, t] : category[V] ~ case t:
            0: Categorical(start[c[s]])
            else: Categorical(trans[c[s], page[s, t-1]])
