"""The gallery of the language → graphs: what each documented model comes out as."""

from __future__ import annotations

import pytest

from emdsl.model.build import build
from emdsl.model.show import show
from emdsl.source import Source
from emdsl.syntax.parse import parse
from tests.syntax.gallery import GALLERY

GRAPHS = {
    "GaussianMixture": """
model GaussianMixture
size K: chosen when fitting, 2 by default
size N: dimension 0 of x
size D: dimension 1 of x
plate n in N
param weight : simplex[K]
param mean[K] : real[D]
param cov[K] : posdef[D]
latent z[n] : category[K] ~ Categorical(weight)
data x[n] : real[D] ~ MvNormal(mean[z[n]], cov[z[n]])
""",
    "HMM": """
model HMM
size K: chosen when fitting, 2 by default
size S: dimension 0 of x
size T[s]: dimension 1 of x
size V: 1 + the largest x
plate s in S
plate t in T[s], inside s
param start : simplex[K]
param trans[K] : simplex[K]
param emit[K] : simplex[V]
latent z[s, t] : category[K] ~ Categorical(start) if t == 0 else Categorical(trans[z[s, t - 1]])
data x[s, t] : category[V] ~ Categorical(emit[z[s, t]])
""",
    "FactorAnalysis": """
model FactorAnalysis
size L: chosen when fitting, 2 by default
size N: dimension 0 of x
size D: dimension 1 of x
plate n in N
param loading : real[D, L]
param bias : real[D]
param noise : positive[D]
latent f[n] : real[L] ~ MvNormal(zeros[L], eye[L])
data x[n] : real[D] ~ MvNormal(loading @ f[n] + bias, diag(noise))
""",
    "LinearDynamicalSystem": """
model LinearDynamicalSystem
size L: chosen when fitting, 2 by default
size T: dimension 0 of x
size D: dimension 1 of x
plate t in T
param m0 : real[L]
param V0 : posdef[L]
param Q : posdef[L]
param A : real[L, L]
param C : real[D, L]
param R : posdef[D]
latent z[t] : real[L] ~ MvNormal(m0, V0) if t == 0 else MvNormal(A @ z[t - 1], Q)
data x[t] : real[D] ~ MvNormal(C @ z[t], R)
""",
    "MixtureOfRegressions": """
model MixtureOfRegressions
size K: chosen when fitting, 2 by default
size N: dimension 0 of u; dimension 0 of y
size P: dimension 1 of u
plate n in N
param weight : simplex[K]
param beta[K] : real[P]
param sd[K] : positive
input u[n] : real[P]
latent z[n] : category[K] ~ Categorical(weight)
data y[n] : real ~ Normal(dot(beta[z[n]], u[n]), sd[z[n]])
""",
    "RandomIntercept": """
model RandomIntercept
size G: 1 + the largest group
size N: dimension 0 of group; dimension 0 of u; dimension 0 of y
size P: dimension 1 of u
plate g in G
plate n in N
param beta : real[P]
param tau : positive
param sigma : positive
latent b[g] : real ~ Normal(0, tau)
input group[n] : index[G]
input u[n] : real[P]
data y[n] : real ~ Normal(dot(beta, u[n]) + b[group[n]], sigma)
""",
    "DawidSkene": """
model DawidSkene
size I: 1 + the largest item
size R: dimension 0 of item; dimension 0 of annotator; dimension 0 of label
size K: 1 + the largest label
size A: 1 + the largest annotator
plate i in I
plate r in R
param prevalence : simplex[K]
param confusion[A, K] : simplex[K]
latent truth[i] : category[K] ~ Categorical(prevalence)
input item[r] : index[I]
input annotator[r] : index[A]
data label[r] : category[K] ~ Categorical(confusion[annotator[r], truth[item[r]]])
""",
    "StudentT": """
model StudentT
size N: dimension 0 of x
plate n in N
param mu : real
param s2 : positive
param nu : positive
latent u[n] : positive ~ Gamma(nu / 2, nu / 2)
data x[n] : real ~ Normal(mu, var = s2 / u[n])
""",
    "ZeroInflatedPoisson": """
model ZeroInflatedPoisson
size N: dimension 0 of y
plate n in N
param p : unit
param rate : positive
latent active[n] : bool ~ Bernoulli(p)
data y[n] : count ~ Poisson(rate) if active[n] else Delta(0)
""",
    "Linkage": """
model Linkage
size N: dimension 0 of y; dimension 0 of freq
plate n in N times freq[n]
const cell : count[5] = [0, 0, 1, 2, 3]
param t : unit
input freq[n] : positive
latent z[n] : category[5] ~ Categorical([1 / 2, t / 4, (1 - t) / 4, (1 - t) / 4, t / 4])
data y[n] : category[4] ~ Delta(cell[z[n]])
""",
    "ABO": """
model ABO
size N: dimension 0 of blood; dimension 0 of freq
plate n in N times freq[n]
const phenotype : count[3, 3] = [[0, 2, 0], [2, 1, 1], [0, 1, 3]]
param allele : simplex[3]
input freq[n] : positive
latent mother[n] : category[3] ~ Categorical(allele)
latent father[n] : category[3] ~ Categorical(allele)
data blood[n] : category[4] ~ Delta(phenotype[mother[n], father[n]])
""",
    "Rasch": """
model Rasch
size I: dimension 0 of y
size J: dimension 1 of y
plate i in I
plate j in J, inside i
param difficulty[J] : real
param scale : positive
latent ability[i] : real ~ Normal(0, scale)
data y[i, j] : bool ~ Bernoulli(logit = ability[i] - difficulty[j])
infer ability using quadrature(21)
""",
    "LDA": """
model LDA
size K: chosen when fitting, 10 by default
size D: dimension 0 of word
size W[d]: dimension 1 of word
size V: 1 + the largest word
plate d in D
plate w in W[d], inside d
param alpha : positive[K]
param topic[K] : simplex[V]
latent theta[d] : simplex[K] ~ Dirichlet(alpha)
latent z[d, w] : category[K] ~ Categorical(theta[d])
data word[d, w] : category[V] ~ Categorical(topic[z[d, w]])
infer theta, z using meanfield
""",
    "Rayleigh": """
model RayleighMixture
size K: chosen when fitting, 2 by default
size N: dimension 0 of x
plate n in N
param weight : simplex[K]
param s[K] : positive
latent z[n] : category[K] ~ Categorical(weight)
data x[n] : positive ~ Rayleigh(s[z[n]])
density Rayleigh(x : positive; s : positive) = x / s^2 * exp(-x^2 / (2 * s^2))
""",
}


@pytest.mark.parametrize("name", GRAPHS)
def test_gallery(name: str) -> None:
    """Sizes, types and arguments of each documented model, without a warning."""
    source = Source(GALLERY[name])  # its Rayleigh stands in front of the language's own
    model, warnings = build(parse(source), source)
    assert show(model) == GRAPHS[name].removeprefix("\n")
    assert warnings == ()
