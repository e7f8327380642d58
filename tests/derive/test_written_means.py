"""Means written out entry by entry, in front of a covariance that is estimated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

from emdsl.compiler import load
from emdsl.source import Source

RNG = np.random.default_rng(4)
N = 60
U = RNG.normal(size=N)
X = np.column_stack([1.0 + 2.0 * U, -np.ones(N)]) + RNG.normal(size=(N, 2)) @ [[1.0, 0.6], [0, 0.8]]
MEAN = """model SeeminglyUnrelated
param a, b, c : real
param {0} : posdef[2]
for n in N:
    input u[n] : real
    data  x[n] : real[2] ~ MvNormal([a + b * u[n], c], {1})
"""
NUMERIC = """model Exponent
param b : real
param S : posdef[2]
for n in N:
    input u[n] : real
    data  x[n] : real[2] ~ MvNormal([b * u[n], 0], exp(b) * S)
"""


def highest(start: Any, value: Any) -> float:
    """The log likelihood that SciPy finds, a covariance by its root."""
    found: Any = optimize.minimize(
        lambda p: -value(p), start, method="L-BFGS-B", bounds=[(-4.0, 4.0)] * len(start),
        options={"ftol": 1e-15, "gtol": 1e-8},
    )  # fmt: skip
    return -float(found.fun)


def root(p: Any) -> Any:
    return np.array([[np.exp(p[0]), 0.0], [p[1], np.exp(p[2])]])


@pytest.mark.parametrize("argument", ["S", "precision = S"])
def test_seemingly_unrelated_regressions(argument: str) -> None:
    result = load(Source(MEAN.format("S", argument))).fit({"u": U, "x": X}, tol=1e-13)

    def value(p: Any) -> float:
        mean = np.column_stack([p[0] + p[1] * U, np.full(N, p[2])])
        cov = root(p[3:]) @ root(p[3:]).T
        return float(stats.multivariate_normal(cov=cov).logpdf(X - mean).sum())

    assert result.log_likelihood == pytest.approx(highest(np.zeros(6), value), rel=1e-8)
    found = result.params["S"]
    np.testing.assert_array_equal(found, found.T)


def test_a_mean_whose_slope_is_in_the_covariance_too() -> None:
    result = load(Source(NUMERIC)).fit({"u": U, "x": X}, tol=1e-13)

    def value(p: Any) -> float:
        mean = np.column_stack([p[0] * U, np.zeros(N)])
        cov = np.exp(p[0]) * root(p[1:]) @ root(p[1:]).T
        return float(stats.multivariate_normal(cov=cov).logpdf(X - mean).sum())

    assert result.log_likelihood == pytest.approx(highest(np.zeros(4), value), rel=1e-8)
