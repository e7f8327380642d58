"""Covariates far from zero: the fit is right, or a note says what to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emdsl.compiler import load
from emdsl.source import Source

RNG = np.random.default_rng(2)
U = RNG.normal(size=(200, 2))
DENSITIES = {
    ": bool ~ Bernoulli(logit = a + dot(b, u[n]))": RNG.integers(0, 2, 200).astype(float),
    ": count ~ Poisson(log = a + dot(b, u[n]))": RNG.poisson(2.0, 200).astype(float),
    "~ StudentT(4, a + dot(b, u[n]), 1)": RNG.normal(size=200),
    "~ Normal(a + dot(b, u[n]), 1)": RNG.normal(size=200),
}


def fit(density: str, u: Any) -> Any:
    text = (
        "model M\nparam a : real\nparam b : real[P]\nfor n in N:\n"
        f"    input u[n] : real[P]\n    data y[n] {density}\n"
    )
    return load(Source(text, "m.em")).fit({"u": u, "y": DENSITIES[density]}, progress=False)


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("offset", [0.0, 1e3, 1e5, 1e6, 1e7, 1e9])
def test_right(density: str, offset: float) -> None:
    off = np.array([0.0, offset])
    at_zero = fit(density, U + off - off)  # the digits that are left
    there = fit(density, U + off)
    assert there.log_likelihood == pytest.approx(at_zero.log_likelihood, rel=1e-11)
    np.testing.assert_allclose(there.params["b"], at_zero.params["b"], rtol=1e-9)
    assert bool(there.messages) == (offset >= 1e6)


@pytest.mark.parametrize("offset", [1e5, 1e6, 1e9])
def test_said_where_nothing_makes_up_for_it(offset: float) -> None:
    text = (
        "model M\nparam a : real ~ Normal(0, 10)\nparam b : real[P]\nfor n in N:\n"
        "    input u[n] : real[P]\n    data y[n] ~ StudentT(4, a + dot(b, u[n]), 1)\n"
    )
    data = {"u": U + np.array([0.0, offset]), "y": DENSITIES["~ StudentT(4, a + dot(b, u[n]), 1)"]}
    found = load(Source(text, "m.em")).fit(data, progress=False)
    said = [m for m in found.messages if "subtract its mean" in m]
    expected = (
        f"u[:, 1] is {offset:.1e} on average and varies by 1.0e+00 only: a coefficient of it is "
        "lost in rounding; subtract its mean (a has a prior, which is about a place, nor is any "
        "column the same everywhere, so that it isn't done here)"
    )
    assert said == [expected] * (offset >= 1e6)


@pytest.mark.parametrize("density", DENSITIES)
def test_a_column_of_ones_is_an_intercept(density: str) -> None:
    found = fit(density, np.column_stack([U[:, 0], np.full(200, 1e7)]))
    assert not any("subtract" in m for m in found.messages)
