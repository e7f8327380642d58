"""Small models about the gallery's: each compiles, and nothing near its fit is better."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import emdsl
from emdsl.source import Source
from tests.gallery.nearby import verify_maximum

N = 200
RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(0, 1, 120), RNG.normal(4, 1.5, 80)])


def chain_with_holes() -> np.ndarray:
    """Three binary columns, each like the one before, a fifth of the cells missing."""
    x = RNG.integers(0, 2, (3, N)).astype(float)
    for j in (1, 2):
        x[j] = np.where(RNG.random(N) < 0.8, x[j - 1], x[j])
    x[RNG.random(x.shape) < 0.2] = np.nan
    return x


def items_with_holes() -> np.ndarray:
    """Four binary items of two classes, a third of the cells missing."""
    x = RNG.random((N, 4)) < np.where(np.arange(N) < 80, 0.2, 0.8)[:, None]
    return np.where(RNG.random(x.shape) < 0.3, np.nan, x.astype(float))


HOLED = chain_with_holes()
MISSING = items_with_holes()

VARIATIONS: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "one latent, a plate of data": (
        """\
model A(K = 2)
param w     : simplex[K]
param mu[K] : real
param sd    : positive
for s in S:
    latent c[s] ~ Categorical(w)
    for n in N:
        data x[s, n] ~ Normal(mu[c[s]], sd)
""",
        lambda: {"x": X.reshape(20, 10)},
    ),
    "labelled elements in a plate of their own": (
        """\
model A(K = 2)
param w     : simplex[K]
param mu[K] : real
param sd    : positive
for n in N:
    latent z[n] ~ Categorical(w)
    data   x[n] ~ Normal(mu[z[n]], sd)
for m in M:
    data k[m] : category[K] ~ Categorical(w)
    data y[m] ~ Normal(mu[k[m]], sd)
""",
        lambda: {"x": X, "k": np.r_[np.zeros(5), np.ones(5)], "y": np.r_[X[:5], X[-5:]]},
    ),
    "counts with an exposure": (
        """\
model A(K = 2)
param w       : simplex[K]
param rate[K] : positive
for n in N:
    input  e[n] : positive
    latent z[n] ~ Categorical(w)
    data   y[n] : count ~ Poisson(e[n] * rate[z[n]])
""",
        lambda: {"e": RNG.uniform(1, 3, N), "y": RNG.poisson(np.where(np.arange(N) < 100, 2, 20))},
    ),
    "a known standard deviation": (
        """\
model A
param mu : real
for n in N:
    input se[n] : positive
    data  y[n]  ~ Normal(mu, se[n])
""",
        lambda: {"se": RNG.uniform(1, 3, N), "y": X},
    ),
    "one component fixed": (
        """\
model A
param p  : unit
param mu : real
param sd : positive
for n in N:
    latent z[n] ~ Bernoulli(p)
    data   x[n] ~ Normal(mu, sd) if z[n] else Normal(0, 1)
""",
        lambda: {"x": X},
    ),
    "a chain of two": (
        """\
model A(K = 2)
param w     : simplex[K]
param t[K]  : simplex[K]
param mu[K] : real
param sd    : positive
for n in N:
    latent a[n] ~ Categorical(w)
    latent b[n] ~ Categorical(t[a[n]])
    data   x[n] ~ Normal(mu[a[n]], sd)
    data   y[n] ~ Normal(mu[b[n]], sd)
""",
        lambda: {"x": X, "y": np.roll(X, 30)},
    ),
    "probabilities that are polynomials": (
        """\
model A
param p : unit
for n in N times freq[n]:
    data g[n] : category[3] ~ Categorical([p^2, 2*p*(1-p), (1-p)^2])
""",
        lambda: {"g": [0, 1, 2], "freq": [30, 50, 20]},
    ),
    "a matrix of coefficients": (
        """\
model A
param B   : real[D, P]
param cov : posdef[D]
for n in N:
    input u[n] : real[P]
    data  x[n] : real[D] ~ MvNormal(B @ u[n], cov)
""",
        lambda: {"u": RNG.normal(size=(N, 3)), "x": RNG.normal(size=(N, 2)) + X[:, None]},
    ),
    "a matrix of coefficients for each component": (
        """\
model A(K = 2)
param w      : simplex[K]
param B[K]   : real[D, P]
param cov[K] : posdef[D]
for n in N:
    input  u[n] : real[P]
    latent z[n] ~ Categorical(w)
    data   x[n] : real[D] ~ MvNormal(B[z[n]] @ u[n], cov[z[n]])
""",
        lambda: {
            "u": np.c_[np.ones(N), RNG.normal(size=(N, 1))],
            "x": RNG.normal(size=(N, 2)) + X[:, None],
        },
    ),
    "discrete data missing among their own parents": (
        """\
model A
param p       : unit
param q[2]    : unit
param r[2, 2] : unit
for n in N:
    data a[n] : bool ~ Bernoulli(p)
    data b[n] : bool ~ Bernoulli(q[a[n]])
    data c[n] : bool ~ Bernoulli(r[a[n], b[n]])
""",
        lambda: {"a": HOLED[0], "b": HOLED[1], "c": HOLED[2]},
    ),
    "one parameter in two nodes": (
        """\
model A(K = 2)
param w     : simplex[K]
param mu[K] : real
param s     : positive
for n in N:
    latent z[n] ~ Categorical(w)
    data   x[n] ~ Normal(mu[z[n]], s)
    data   y[n] ~ Normal(2 * mu[z[n]] + 1, 3 * s)
""",
        lambda: {"x": X, "y": 2 * X + 1 + RNG.normal(size=N)},
    ),
    "two latents that index one parameter": (
        """\
model A(K = 2, L = 2)
param w        : simplex[K]
param v        : simplex[L]
param mu[K, L] : real
param sd       : positive
for n in N:
    latent z[n] ~ Categorical(w)
    latent u[n] ~ Categorical(v)
    data   x[n] ~ Normal(mu[z[n], u[n]], sd)
""",
        lambda: {"x": X},
    ),
    "inflated binomial": (
        """\
model A
param p, q : unit
for n in N:
    input  t[n] : count
    latent z[n] ~ Bernoulli(p)
    data   y[n] : count ~ Binomial(t[n], q) if z[n] else Delta(0)
""",
        lambda: {
            "t": np.full(N, 10),
            "y": np.where(np.arange(N) < 60, 0, RNG.binomial(10, 0.4, N)),
        },
    ),
    "negative binomial of known size": (
        """\
model A(K = 2)
param w    : simplex[K]
param p[K] : unit
for n in N:
    latent z[n] ~ Categorical(w)
    data   y[n] : count ~ NegativeBinomial(3, p[z[n]])
""",
        lambda: {"y": RNG.poisson(np.where(np.arange(N) < 100, 2, 20))},
    ),
    "gamma of known shape, gamma prior": (
        """\
model A(K = 2)
param w    : simplex[K]
param r[K] : positive ~ Gamma(2, 1)
for n in N:
    latent z[n] ~ Categorical(w)
    data   x[n] ~ Gamma(3, r[z[n]])
""",
        lambda: {"x": np.abs(X) + 0.1},
    ),
    "inverse gamma of known shape": (
        """\
model A(K = 2)
param w    : simplex[K]
param r[K] : positive
for n in N:
    latent z[n] ~ Categorical(w)
    data   x[n] ~ InverseGamma(3, r[z[n]])
""",
        lambda: {"x": np.abs(X) + 0.1},
    ),
    "half normal": (
        """\
model A(K = 2)
param w    : simplex[K]
param r[K] : positive
for n in N:
    latent z[n] ~ Categorical(w)
    data   x[n] ~ HalfNormal(r[z[n]])
""",
        lambda: {"x": np.abs(X) + 0.1},
    ),
    "Weibull of known shape": (
        """\
model A(K = 2)
param w    : simplex[K]
param r[K] : positive
for n in N:
    latent z[n] ~ Categorical(w)
    data   x[n] ~ Weibull(2.5, r[z[n]])
""",
        lambda: {"x": np.abs(X) + 0.1},
    ),
    "Laplace of known centre": (
        """\
model A(K = 2)
param w    : simplex[K]
param r[K] : positive
for n in N:
    latent z[n] ~ Categorical(w)
    data   x[n] ~ Laplace(1, r[z[n]])
""",
        lambda: {"x": X},
    ),
    "mean and standard deviation equal": (
        """\
model A
param a : positive
for n in N:
    data x[n] ~ Normal(a, a)
""",
        lambda: {"x": np.abs(X) + 0.1},
    ),
    "mean and variance equal": (
        """\
model A(K = 2)
param w    : simplex[K]
param a[K] : positive
for n in N:
    latent z[n] ~ Categorical(w)
    data   x[n] ~ Normal(a[z[n]], var = a[z[n]])
""",
        lambda: {"x": np.abs(X) + 0.1},
    ),
    "normal and inverse Wishart priors": (
        """\
model A(K = 2)
param w      : simplex[K] ~ Dirichlet(3 * ones[K])
param mu[K]  : real[D] ~ MvNormal(zeros[D], 4 * eye[D])
param cov[K] : posdef[D] ~ InverseWishart(D + 3, 2 * eye[D])
for n in N:
    latent z[n] ~ Categorical(w)
    data   x[n] : real[D] ~ MvNormal(mu[z[n]], cov[z[n]])
""",
        lambda: {"x": RNG.normal(size=(N, 2)) + X[:, None]},
    ),
    "Wishart prior": (
        """\
model A
param mu : real[D]
param P  : posdef[D] ~ Wishart(D + 3, 2 * eye[D])
for n in N:
    data x[n] : real[D] ~ MvNormal(mu, precision = P)
""",
        lambda: {"x": RNG.normal(size=(N, 2)) + X[:, None]},
    ),
    "Greek letters": (
        """\
model A(K = 2)
param π    : simplex[K]
param μ[K] : real
param σ[K] : positive
for n in N:
    latent ζ[n] ~ Categorical(π)
    data   x[n] ~ Normal(μ[ζ[n]], σ[ζ[n]])
""",
        lambda: {"x": X},
    ),
    "a shifted location": (
        """\
model A(K = 2)
param w     : simplex[K]
param mu[K] : real
param sd[K] : positive
for n in N:
    latent z[n] ~ Categorical(w)
    data   x[n] : positive ~ LogNormal(mu[z[n]] + 1, sd[z[n]])
""",
        lambda: {"x": np.abs(X) + 0.1},
    ),
    "named expressions": (
        """\
model A(K = 2)
param w      : simplex[K]
param mu[K]  : real
param sd     : positive
let   double = 2 * sd
for n in N:
    latent z[n] ~ Categorical(w)
    let    m[n] = mu[z[n]] / 2
    data   x[n] ~ Normal(m[n], double)
""",
        lambda: {"x": X},
    ),
    "parameters gathered by an input": (
        """\
model A
param mu[G, 2] : real
param w[G]     : simplex[2]
param sd       : positive
for n in N:
    input  g[n] : category[G]
    latent z[n] ~ Categorical(w[g[n]])
    data   x[n] ~ Normal(mu[g[n], z[n]], sd)
""",
        lambda: {"x": X, "g": np.arange(N) % 3},
    ),
    "factorial mixture": (
        """\
model A(K = 2, L = 3)
param p[K]     : simplex[L]
param A1[K, L] : real[D]
param sd       : positive
for n in N:
    latent u[n] ~ Categorical(p[0])
    latent v[n] ~ Categorical(p[1])
    data   x[n] : real[D] ~ Normal(A1[0, u[n]] + A1[1, v[n]], sd)
""",
        lambda: {"x": RNG.normal(size=(N, 3)) + X[:, None]},
    ),
    "a latent used as a number": (
        """\
model A(K = 4)
param w    : simplex[K]
param rate : positive
for n in N:
    latent u[n] ~ Categorical(w)
    data   y[n] : count ~ Poisson(rate * (u[n] + 1))
""",
        lambda: {"y": RNG.poisson(np.where(np.arange(N) < 100, 2, 8))},
    ),
    "a uniform latent": (
        """\
model A
param q[6] : unit
for n in N:
    latent u[n] ~ Categorical(ones[6] / 6)
    data   y[n] : count ~ Binomial(10, q[u[n]])
""",
        lambda: {"y": RNG.binomial(10, 0.3, N)},
    ),
    "a const given when fitting": (
        """\
model A(K = 2)
const base[K] : simplex[V]
param w       : simplex[K]
for n in N:
    latent z[n] ~ Categorical(w)
    data   y[n] : category[V] ~ Categorical(base[z[n]])
""",
        lambda: {"y": np.arange(N) % 3, "base": [[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]},
    ),
    "weights over an inner plate": (
        """\
model A(K = 2)
param w       : simplex[K]
param p[J, K] : unit
for n in N times f[n]:
    latent z[n] ~ Categorical(w)
    for j in J:
        data y[n, j] : bool ~ Bernoulli(p[j, z[n]])
""",
        lambda: {"y": RNG.integers(0, 2, (8, 3)), "f": RNG.integers(1, 9, 8)},
    ),
    "missing categories": (
        """\
model A(K = 2)
param w       : simplex[K]
param p[J, K] : simplex[V]
for n in N:
    latent z[n] ~ Categorical(w)
    for j in J:
        data y[n, j] : category[V] ~ Categorical(p[j, z[n]])
""",
        lambda: {"y": MISSING},
    ),
    "priors on a mixture of regressions": (
        """\
model A(K = 2)
param w       : simplex[K]
param beta[K] : real[P] ~ Normal(0, 2)
param var[K]  : positive ~ InverseGamma(2, 1)
for n in N:
    input  u[n] : real[P]
    latent z[n] ~ Categorical(w)
    data   y[n] ~ Normal(dot(beta[z[n]], u[n]), var = var[z[n]])
""",
        lambda: {"u": np.c_[np.ones(N), RNG.normal(size=N)], "y": X},
    ),
    "a prior with a parameter of its own": (
        """\
model A
param mu[G] : real ~ Normal(m, 1)
param m     : real
param sd    : positive
for n in N:
    input g[n] : category[G]
    data  x[n] ~ Normal(mu[g[n]], sd)
""",
        lambda: {"x": X, "g": np.arange(N) % 4},
    ),
    "inverse Gaussian by its dispersion": (
        """\
model A(K = 2)
param w          : simplex[K]
param m[K], d[K] : positive
for n in N:
    latent z[n] ~ Categorical(w)
    data   x[n] ~ InverseGaussian(m[z[n]], dispersion = d[z[n]])
""",
        lambda: {"x": np.abs(X) + 0.1},
    ),
    "two latents in one declaration": (
        """\
model A
param a  : simplex[4]
const ph = [[0, 1, 2, 3], [1, 1, 1, 2], [2, 1, 2, 2], [3, 2, 2, 3]]
for n in N times f[n]:
    latent m[n], d[n] ~ Categorical(a)
    data   y[n]       : category[4] ~ Delta(ph[m[n], d[n]])
""",
        lambda: {"y": [0, 1, 2, 3], "f": [10, 20, 30, 40]},
    ),
}


@pytest.mark.parametrize("case", VARIATIONS, ids=str)
def test_nothing_near_a_fit_is_better(case: str) -> None:
    text, data = VARIATIONS[case]
    verify_maximum(emdsl.load(Source(text)), data(), {}, restarts=2)
