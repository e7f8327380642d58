# emdsl check benchmarks/linear_systems.em
model LinearSystems(L = 2)
    "Many short sequences of one linear dynamical system, all of the same length."

param m0    : real[L]
param V0, Q : posdef[L]
param A     : real[L, L]
param C     : real[D, L]
param R     : posdef[D]

for s in S:
    for t in T:
        latent z[s, t] : real[L] ~ MvNormal(m0, V0) if t == 0 else MvNormal(A @ z[s, t-1], Q)
        data   x[s, t] : real[D] ~ MvNormal(C @ z[s, t], R)
