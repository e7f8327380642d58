model M[K]
param p : simplex[K]
