"""The special functions against SciPy's, at the ends of their ranges, and by differences."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy import special as sp

from emdsl.runtime import special

WIDE = np.concatenate([-np.geomspace(1e-300, 700.0, 200), [0.0], np.geomspace(1e-300, 700.0, 200)])
POSITIVE = np.geomspace(1e-8, 1e12, 400)


@pytest.mark.parametrize(
    ("ours", "reference", "x"),
    [
        (special.expit, sp.expit, WIDE),
        (special.log1pexp, lambda x: -sp.log_expit(-x), WIDE),
        (special.digamma, sp.digamma, POSITIVE),
        (special.trigamma, lambda x: sp.polygamma(1, x), POSITIVE),
        (special.log_i0, lambda x: np.log(sp.i0(x)), np.linspace(-600.0, 600.0, 101)),
        (special.bessel_ratio, lambda x: sp.iv(1, x) / sp.iv(0, x), np.linspace(-500, 500, 100)),
    ],
)
def test_as_scipy(ours: Any, reference: Any, x: Any) -> None:
    assert np.allclose(ours(x), reference(x), rtol=1e-13, atol=0.0)
    assert ours(np.float64(1.5)).shape == ()
    assert ours(x[:6].reshape(2, 3)).shape == (2, 3)


def test_the_logistic_in_its_tails() -> None:
    with np.errstate(all="raise", under="ignore"):
        assert special.expit(np.array([-1e4, 1e4])).tolist() == [0.0, 1.0]
        assert special.log1pexp(np.array([-1e4, 1e4])).tolist() == [0.0, 1e4]
        assert special.log1pexp(np.array(-600.0)) == pytest.approx(np.exp(-600.0), rel=1e-12)


def test_the_logistic_of_a_tail_that_is_known() -> None:
    tail = np.exp(-np.abs(WIDE))
    assert np.array_equal(special.expit(WIDE, tail), special.expit(WIDE))
    assert np.array_equal(special.expit(-WIDE, tail), special.expit(-WIDE))
    assert np.array_equal(special.log1pexp(WIDE, tail), special.log1pexp(WIDE))


def test_log_i0_of_very_much() -> None:
    k = np.array([1e5, 1e10])
    assert np.allclose(special.log_i0(k), k - 0.5 * np.log(2 * np.pi * k), rtol=1e-10)


def test_bessel_slope_is_the_derivative_of_the_ratio() -> None:
    k = np.geomspace(1e-3, 250.0, 60)
    h = 1e-4 * k
    slope = (special.bessel_ratio(k + h) - special.bessel_ratio(k - h)) / (2 * h)
    assert np.allclose(special.bessel_slope(k), slope, rtol=1e-6)
    assert np.allclose(special.bessel_slope(np.array([0.0, 1e-300, 1e-9])), 0.5, rtol=1e-15)
    assert np.array_equal(special.bessel_slope(-k), special.bessel_slope(k))


def test_bessel_slope_far_out_follows_its_series() -> None:
    # A = sum a_j k^-j in A' = 1 - A / k - A^2, by exact fractions; k is exact too
    a = [Fraction(1)]
    for j in range(1, 16):
        square = sum((a[i] * a[j - i] for i in range(1, j)), Fraction(0))
        a.append(((j - 2) * a[j - 1] - square) / 2)
    for k in (301, 5000, 10**8):
        exact = float(sum(-j * a[j] / Fraction(k) ** (j + 1) for j in range(1, 16)))
        assert special.bessel_slope(np.array(float(k))) == pytest.approx(exact, rel=1e-12)
    direct = float(sum(-j * a[j] / Fraction(300) ** (j + 1) for j in range(1, 16)))
    assert special.bessel_slope(np.array(300.0)) == pytest.approx(direct, rel=1e-9)


@pytest.mark.parametrize("axis", [0, -1, (0, 2)])
def test_logsumexp_and_softmax(axis: Any) -> None:
    x = np.random.default_rng(0).normal(0.0, 300.0, (3, 4, 5))
    x[1, 2, 3] = -np.inf
    assert np.allclose(special.logsumexp(x, axis), sp.logsumexp(x, axis=axis), rtol=1e-14)
    total, share = special.softmax(x, axis)
    assert np.array_equal(total, special.logsumexp(x, axis))
    assert np.allclose(share, sp.softmax(x, axis=axis), rtol=1e-12, atol=1e-300)
    assert np.allclose(share.sum(axis=axis), 1.0)


def test_logsumexp_of_nothing_possible_is_minus_infinity_without_warnings() -> None:
    x = np.array([[-np.inf, -np.inf], [0.0, -np.inf]])
    assert special.logsumexp(x, 1).tolist() == [-np.inf, 0.0]
    assert special.softmax(x, 1)[1].tolist() == [[0.0, 0.0], [1.0, 0.0]]


@pytest.mark.parametrize("power", [0.5, 1.0, 1.5, 2.0, 4.0])
def test_powers_of_absolute_values_and_their_derivatives(power: float) -> None:
    x, step = np.array([-2.0, -1e-3, 0.7, 3.0]), 1e-6
    ways = special.abs_power(x + step, power, 0, 0) - special.abs_power(x - step, power, 0, 0)
    assert np.allclose(ways / (2 * step), power * special.abs_power(x, power - 1, 0, 1), rtol=1e-4)
    ways = special.abs_power(x, power + step, 0, 0) - special.abs_power(x, power - step, 0, 0)
    assert np.allclose(ways / (2 * step), special.abs_power(x, power, 1, 0), rtol=1e-6)


def test_powers_of_zero_are_finite() -> None:
    for power in (-1.5, -0.5, 0.0, 0.3, 2.0):
        for logs in (0, 1, 2):
            for signs in (0, 1):
                found = special.abs_power(np.zeros(2), power, logs, signs)
                assert found.tolist() == [float(power == 0.0 and logs + signs == 0)] * 2
