# emdsl fit models/linear_dynamical_system.em models/data/macro_growth.csv \
#     --data x=consumption,investment --set L=1
model LinearDynamicalSystem(L = 2)
    "A normal state that moves linearly, seen through linear noise: the Kalman filter's model."
    "Shumway and Stoffer, J. Time Ser. Anal. 3 (1982); Ghahramani and Hinton 1996."

param m0    : real[L]
param V0, Q : posdef[L]
param A     : real[L, L]
param C     : real[D, L]
param R     : posdef[D]

for t in T:
    latent z[t] : real[L] ~ MvNormal(m0, V0) if t == 0 else MvNormal(A @ z[t-1], Q)
    data   x[t] : real[D] ~ MvNormal(C @ z[t], R)
