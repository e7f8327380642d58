"""The gallery of the language as texts, exactly as documented."""

from __future__ import annotations

GALLERY = {
    "GaussianMixture": """\
model GaussianMixture(K = 2)
    "A mixture of K multivariate normals with full covariances."

param weight  : simplex[K]
param mean[K] : real[D]
param cov[K]  : posdef[D]

for n in N:
    latent z[n] ~ Categorical(weight)
    data   x[n] : real[D] ~ MvNormal(mean[z[n]], cov[z[n]])
""",
    "HMM": """\
model HMM(K = 2)
param start    : simplex[K]
param trans[K] : simplex[K]
param emit[K]  : simplex[V]
for s in S:
    for t in T[s]:
        latent z[s, t] ~ Categorical(start) if t == 0 else Categorical(trans[z[s, t-1]])
        data   x[s, t] : category[V] ~ Categorical(emit[z[s, t]])
""",
    "FactorAnalysis": """\
model FactorAnalysis(L = 2)
param loading : real[D, L]
param bias    : real[D]
param noise   : positive[D]
for n in N:
    latent f[n] : real[L] ~ MvNormal(zeros[L], eye[L])
    data   x[n] : real[D] ~ MvNormal(loading @ f[n] + bias, diag(noise))
""",
    "LinearDynamicalSystem": """\
model LinearDynamicalSystem(L = 2)
param m0 : real[L]
param V0, Q : posdef[L]
param A : real[L, L]
param C : real[D, L]
param R : posdef[D]
for t in T:
    latent z[t] : real[L] ~ MvNormal(m0, V0) if t == 0 else MvNormal(A @ z[t-1], Q)
    data   x[t] : real[D] ~ MvNormal(C @ z[t], R)
""",
    "MixtureOfRegressions": """\
model MixtureOfRegressions(K = 2)
param weight  : simplex[K]
param beta[K] : real[P]
param sd[K]   : positive
for n in N:
    input  u[n] : real[P]
    latent z[n] ~ Categorical(weight)            # experts: Categorical(softmax(gate @ u[n]))
    data   y[n] ~ Normal(dot(beta[z[n]], u[n]), sd[z[n]])
""",
    "RandomIntercept": """\
model RandomIntercept
param beta : real[P]
param tau, sigma : positive
for g in G:
    latent b[g] ~ Normal(0, tau)
for n in N:
    input group[n] : index[G]
    input u[n] : real[P]
    data  y[n] ~ Normal(dot(beta, u[n]) + b[group[n]], sigma)
""",
    "DawidSkene": """\
model DawidSkene
param prevalence     : simplex[K]
param confusion[A,K] : simplex[K]
for i in I:
    latent truth[i] ~ Categorical(prevalence)
for r in R:
    input item[r] : index[I]
    input annotator[r] : index[A]
    data  label[r] : category[K] ~ Categorical(confusion[annotator[r], truth[item[r]]])
""",
    "StudentT": """\
model StudentT
param mu : real
param s2, nu : positive
for n in N:
    latent u[n] ~ Gamma(nu / 2, nu / 2)
    data   x[n] ~ Normal(mu, var = s2 / u[n])
""",
    "ZeroInflatedPoisson": """\
model ZeroInflatedPoisson
param p : unit
param rate : positive
for n in N:
    latent active[n] ~ Bernoulli(p)
    data   y[n] : count ~ Poisson(rate) if active[n] else Delta(0)
""",
    "Linkage": """\
model Linkage
param t : unit
const cell = [0, 0, 1, 2, 3]
for n in N times freq[n]:
    latent z[n] ~ Categorical([1/2, t/4, (1-t)/4, (1-t)/4, t/4])
    data   y[n] : category[4] ~ Delta(cell[z[n]])
""",
    "ABO": """\
model ABO
param allele : simplex[3]                                 # A, B, O
const phenotype = [[0, 2, 0], [2, 1, 1], [0, 1, 3]]       # A, B, AB, O
for n in N times freq[n]:
    latent mother[n] ~ Categorical(allele)
    latent father[n] ~ Categorical(allele)
    data   blood[n] : category[4] ~ Delta(phenotype[mother[n], father[n]])
""",
    "Rasch": """\
model Rasch
param difficulty[J] : real
param scale : positive
for i in I:
    latent ability[i] ~ Normal(0, scale)
    for j in J:
        data y[i, j] : bool ~ Bernoulli(logit = ability[i] - difficulty[j])
infer ability using quadrature(21)
""",
    "LDA": """\
model LDA(K = 10)
param alpha    : positive[K]
param topic[K] : simplex[V]
for d in D:
    latent theta[d] : simplex[K] ~ Dirichlet(alpha)
    for w in W[d]:
        latent z[d, w] ~ Categorical(theta[d])
        data   word[d, w] : category[V] ~ Categorical(topic[z[d, w]])
infer theta, z using meanfield
""",
    "Rayleigh": """\
density Rayleigh(x : positive; s : positive) = x / s^2 * exp(-x^2 / (2 * s^2))

model RayleighMixture(K = 2)
param weight : simplex[K]
param s[K] : positive
for n in N:
    latent z[n] ~ Categorical(weight)
    data x[n] : positive ~ Rayleigh(s[z[n]])
""",
    "Everything": """\
# a file that uses the whole syntax
mass Geom(x : count; p, q : unit,) = p * (1 - q)^x

model Everything(K = 2, L = K + 1, M)
    "One line."
    "Another."

param p : unit ~ Beta(2, 2)
param a, b[K, L] : real[D, L] ~ Normal(0, 1)
const table = [
    [1, 2e3, .5],   # first
    [-1, +2, 1.],
]
const offset : real[D]
const scale : real = 3
let c = not a == b and 1 < 2 or a @ b[0][1] ** -2 ^ 3
for s in S:
    input day[s] : index[G]
    for t in T[s] times freq[s]:  # weighted
        let eta[s, t] = -a[t-1]^2 if t > 0 and s != 1 else 0 if s >= 2 else 1
        latent z[s, t] ~ case k[s]:
            0: Normal(0, 1)
            1: Normal(0, precision = 2, lower = 3,)
            K - 1: case j[t]:
                0: Delta(0)
                else: Delta(1)
            else: Normal(0, 1) if t == 0 else case k[s]:
                3: Normal(z[s, t-1], 1)
                else: Normal(0, 1)
        data ψ[s, t], é : real ~ Normal(
            z[s, t],
            sd = 1
        )
infer z, k using quadrature(21)
infer a using meanfield
density Last(x : real) = exp(-x)
""",
}
