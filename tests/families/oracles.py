"""For each family some arguments, and SciPy's distribution for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

COV = np.array([[2.0, 0.6, -0.3], [0.6, 1.0, 0.2], [-0.3, 0.2, 0.5]])

# A scalar family: its canonical arguments in order, and a frozen SciPy distribution.
SCALAR: dict[str, list[tuple[tuple[float, ...], Any]]] = {
    "Bernoulli": [((p,), stats.bernoulli(p)) for p in (0.02, 0.5, 0.8)],
    "Beta": [((a, b), stats.beta(a, b)) for a, b in ((2.0, 3.0), (0.6, 0.7), (30.0, 4.0))],
    "BetaBinomial": [
        ((n, a, b), stats.betabinom(n, a, b)) for n, a, b in ((1, 2, 3), (12, 0.4, 0.7), (9, 40, 7))
    ],
    "Binomial": [((n, p), stats.binom(n, p)) for n, p in ((1, 0.4), (7, 0.1), (40, 0.75))],
    "Cauchy": [((m, s), stats.cauchy(m, s)) for m, s in ((0.0, 1.0), (-4.0, 0.3))],
    "Delta": [((v,), stats.rv_discrete(values=([v], [1.0]))()) for v in (0, 3)],
    "Exponential": [((r,), stats.expon(scale=1 / r)) for r in (0.2, 5.0)],
    "Gamma": [((a, b), stats.gamma(a, scale=1 / b)) for a, b in ((0.7, 2.0), (9.0, 0.4))],
    "GeneralizedNormal": [
        ((m, s, b), stats.gennorm(b, m, s)) for m, s, b in ((0, 1, 2.0), (-2, 0.3, 0.6), (5, 2, 7))
    ],
    "Geometric": [((p,), stats.geom(p, loc=-1)) for p in (0.07, 0.6)],
    "Gumbel": [((m, s), stats.gumbel_r(m, s)) for m, s in ((0.0, 1.0), (-3.0, 0.4))],
    "HalfNormal": [((s,), stats.halfnorm(scale=s)) for s in (0.5, 3.0)],
    "InverseGamma": [((a, b), stats.invgamma(a, scale=b)) for a, b in ((1.5, 2.0), (8.0, 0.4))],
    "InverseGaussian": [
        ((m, s), stats.invgauss(m / s, scale=s)) for m, s in ((1.0, 2.0), (3.0, 0.8))
    ],
    "Laplace": [((m, s), stats.laplace(m, s)) for m, s in ((0.0, 1.0), (2.5, 0.2))],
    "LogNormal": [((m, s), stats.lognorm(s, scale=np.exp(m))) for m, s in ((0, 1), (-1, 0.3))],
    "LogLogistic": [((s, k), stats.fisk(k, scale=s)) for s, k in ((1.0, 0.8), (3.0, 6.0))],
    "Logistic": [((m, s), stats.logistic(m, s)) for m, s in ((0.0, 1.0), (4.0, 0.3))],
    "NegativeBinomial": [((n, p), stats.nbinom(n, p)) for n, p in ((0.7, 0.2), (12.5, 0.6))],
    "Normal": [((m, s), stats.norm(m, s)) for m, s in ((0.0, 1.0), (-3.0, 0.2), (10.0, 4.0))],
    "Pareto": [((m, a), stats.pareto(a, scale=m)) for m, a in ((1.0, 3.0), (0.2, 1.5))],
    "Poisson": [((r,), stats.poisson(r)) for r in (0.3, 4.0, 60.0)],
    "Rayleigh": [((s,), stats.rayleigh(scale=s)) for s in (0.4, 2.0)],
    "StudentT": [((n, m, s), stats.t(n, m, s)) for n, m, s in ((4, 0, 1), (1.5, -2, 0.3))],
    "Uniform": [((a, b), stats.uniform(a, b - a)) for a, b in ((0.0, 1.0), (-3.0, 2.5))],
    "VonMises": [((m, k), stats.vonmises(k, m)) for m, k in ((0.0, 0.5), (0.0, 4.0))],
    "Weibull": [((k, s), stats.weibull_min(k, scale=s)) for k, s in ((0.9, 2.0), (3.0, 0.5))],
}

# A family of vectors or matrices, and of categories: likewise, with some variates.
STRUCTURED: dict[str, list[tuple[tuple[Any, ...], Any]]] = {
    "Categorical": [
        ((p,), stats.rv_discrete(values=(np.arange(len(p)), p))()) for p in ([0.2, 0.5, 0.3], [1.0])
    ],
    "Dirichlet": [
        ((a,), stats.dirichlet(a)) for a in ([0.6, 0.5], [2.0, 1.0, 4.5], [0.4, 9.0, 3.0, 1.0])
    ],
    "InverseWishart": [
        ((df, s), stats.invwishart(df, s)) for df, s in ((3.5, COV[:1, :1]), (4.5, COV))
    ],
    "Multinomial": [
        ((n, p), stats.multinomial(n, p)) for n, p in ((3, [0.2, 0.8]), (6, [0.2, 0.5, 0.3]))
    ],
    "MvNormal": [
        ((m, s), stats.multivariate_normal(m, s))
        for m, s in (([1.0], [[0.25]]), ([0.0, 1.0], COV[:2, :2]), ([3.0, -1.0, 0.5], COV))
    ],
    "Wishart": [((df, s), stats.wishart(df, s)) for df, s in ((1.5, COV[:1, :1]), (4.5, COV))],
}

SCALAR_CASES = [(name, *case) for name, cases in SCALAR.items() for case in cases]
STRUCTURED_CASES = [(name, *case) for name, cases in STRUCTURED.items() for case in cases]


def draws(frozen: Any, shape: tuple[int, ...], n: int) -> list[Any]:
    """Some of SciPy's own draws; it drops dimensions of length 1."""
    return list(np.reshape(frozen.rvs(size=n, random_state=5), (n, *shape)))


def log_probability(frozen: Any, x: Any) -> float:
    """SciPy's logpmf or logpdf."""
    kind = getattr(frozen, "dist", frozen)  # a frozen scalar distribution has both methods
    discrete_too = hasattr(frozen, "logpmf") and not isinstance(kind, stats.rv_continuous)
    return float((frozen.logpmf if discrete_too else frozen.logpdf)(x))


def discrete(frozen: Any) -> bool:
    return isinstance(getattr(frozen, "dist", None), stats.rv_discrete)
