model M(K = 2):
    "Doc."
param p : simplex[K]
