# emdsl check models/switching_dynamical_system.em
model SwitchingDynamicalSystem(K = 2, L = 2)
    "A linear dynamical system whose dynamics switch: its posterior has K^T components."
    "Ghahramani and Hinton, Neural Comput. 12 (2000)."

param start    : simplex[K]
param trans[K] : simplex[K]
param m0       : real[L]
param V0       : posdef[L]
param Q[K]     : posdef[L]
param A[K]     : real[L, L]
param C        : real[D, L]
param R        : posdef[D]

for t in T:
    latent s[t] ~ Categorical(start) if t == 0 else Categorical(trans[s[t-1]])
    latent z[t] : real[L] ~ MvNormal(m0, V0) if t == 0 else MvNormal(A[s[t]] @ z[t-1], Q[s[t]])
    data   x[t] : real[D] ~ MvNormal(C @ z[t], R)
