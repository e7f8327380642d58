"""Fits of models without a closed form don't depend on the unit of their data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import optimize

from emdsl.compiler import load
from emdsl.source import Source

DECAY = """model Decay
param a, b : positive
param sd   : positive
for n in N:
    input t[n] : real
    data  y[n] ~ Normal(a * exp(-b * t[n]), sd)
"""
LIFE = """model Life
param b0 : real
param b  : real[P]
param s  : positive
for n in N:
    input u[n] : real[P]
    data  y[n] ~ {}
"""
FAMILIES = {
    "inverse Gaussian": "InverseGaussian(log = b0 + dot(b, u[n]), shape = s)",
    "Weibull": "Weibull(s, exp(b0 + dot(b, u[n])))",
    "Gamma": "Gamma(s, log = b0 + dot(b, u[n]))",
}


@pytest.mark.parametrize("unit", [1e-8, 1e-3, 1.0, 1e8])
def test_nonlinear_least_squares_in_any_unit(unit: float) -> None:
    rng = np.random.default_rng(4)
    t = np.linspace(0.0, 5.0, 60)
    y = 3.0 * np.exp(-0.7 * t) + 0.1 * rng.normal(size=60)
    found = optimize.least_squares(
        lambda p: p[0] * np.exp(-p[1] * t) - y, [1.0, 1.0], xtol=1e-15, ftol=1e-15, gtol=1e-15
    )
    sd = np.sqrt(2.0 * found.cost / 60)
    result = load(Source(DECAY)).fit({"t": t, "y": unit * y}, tol=1e-13)
    assert result.messages == ()
    np.testing.assert_allclose(result.params["b"], found.x[1], rtol=1e-5)
    np.testing.assert_allclose(result.params["a"], unit * found.x[0], rtol=1e-5)
    np.testing.assert_allclose(result.params["sd"], unit * sd, rtol=1e-8)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_log_link_only_shifts_with_the_unit(family: str) -> None:
    rng = np.random.default_rng(4)
    u, y = rng.normal(size=(80, 2)), rng.wald(3.0, 2.0, 80)
    model = load(Source(LIFE.format(FAMILIES[family])))
    plain = model.fit({"u": u, "y": y})
    for unit in (1e-8, 1e8):
        result: Any = model.fit({"u": u, "y": unit * y})
        assert result.messages == (), unit
        np.testing.assert_allclose(result.params["b"], plain.params["b"], rtol=1e-6)
        shifted = plain.log_likelihood - 80 * np.log(unit)
        np.testing.assert_allclose(result.log_likelihood, shifted, rtol=1e-10)


ABOUT = """model About
param b0 : real
param b  : real[P]
param s  : positive
for n in N:
    input u[n] : real[P]
    data  y[n] ~ {}
"""


@pytest.mark.parametrize("value", [0.2142532717506217, -0.6526661441559254, 1002.8245269859126])
@pytest.mark.parametrize("family", ["Laplace({}, s)", "GeneralizedNormal({}, s, 1.5)"])
def test_equal_outcomes_have_no_spread_in_rows_either(family: str, value: float) -> None:
    """What rounding leaves of a scale isn't one, where the rows themselves are summed over."""
    u = np.random.default_rng(4).normal(size=(80, 2))
    text = ABOUT.format(family.format("b0 + dot(b, u[n])"))
    result = load(Source(text)).fit({"u": u, "y": np.full(80, value)})
    assert result.status == "degenerate"
    assert result.messages[0].startswith("collapsed: s has no variance in the data")


KNOWN = """model Known
param s : positive
for n in N:
    input m[n] : real
    data  y[n] ~ {}
"""


@pytest.mark.parametrize("far", [1.0, 1e6, 1e8])
@pytest.mark.parametrize("draw", ["Normal(m[n], s)", "Normal({far}, s)", "LogNormal(log(m[n]), s)"])
def test_what_is_known_of_a_location_costs_no_digits(draw: str, far: float) -> None:
    """The data less what is known of their location are what squares are taken of."""
    x = np.random.default_rng(0).normal(size=50)
    m = np.full(50, far)
    y = m * np.exp(1e-3 * x) if draw.startswith("LogNormal") else m + x
    away = np.log(y) - np.log(m) if draw.startswith("LogNormal") else y - m
    result = load(Source(KNOWN.format(draw.format(far=far)))).fit({"m": m, "y": y})
    np.testing.assert_allclose(result.params["s"], np.sqrt(np.mean(away**2)), rtol=1e-9)
