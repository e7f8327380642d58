"""Differences of log Gamma and its derivatives against fifty and more digits."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from emdsl.runtime import gamma_differences as differences

FUNCTIONS = [
    (differences.log_rising, mpmath.loggamma),
    (differences.digamma_rise, mpmath.digamma),
    (differences.trigamma_rise, lambda x: mpmath.psi(1, x)),
]
NEAR, FAR = [1e-6, 0.3, 1.0, 2.5, 15.9], [16.0, 17.3, 1e3, 1e5, 3e8, 1e12, 1e16]


def exact(function: Any, x: float, d: float) -> float:
    with mpmath.workdps(80):  # of which 1e16 takes 32 away
        return float(function(mpmath.mpf(x) + mpmath.mpf(d)) - function(mpmath.mpf(x)))


@pytest.mark.parametrize(("rise", "function"), FUNCTIONS)
@pytest.mark.parametrize("d", [0.5, 1.0, 7.0, 1e4, 1e9])
def test_digits_are_those_of_the_difference(rise: Any, function: Any, d: float) -> None:
    x = np.array([*NEAR, *FAR])
    expected = np.array([exact(function, v, d) for v in x])
    np.testing.assert_allclose(rise(x, d), expected, rtol=2e-13, atol=1e-15)
    np.testing.assert_allclose(rise(x[:, None], np.full(3, d)).T, np.tile(expected, (3, 1)), 2e-13)


@pytest.mark.parametrize(("rise", "function"), FUNCTIONS)
def test_small_steps_and_steps_down(rise: Any, function: Any) -> None:
    """Far out a small step's digits are all there; a step down is one up, with a minus."""
    expected = [exact(function, v, 1e-6) for v in FAR]
    np.testing.assert_allclose(rise(np.array(FAR), 1e-6), expected, rtol=1e-10)
    down = [exact(function, v, -0.75) for v in [0.8, *FAR]]
    np.testing.assert_allclose(rise(np.array([0.8, *FAR]), -0.75), down, rtol=1e-12)
    mixed = rise(np.array([3.0, 20.0, 20.0]), np.array([4.0, -15.0, 0.0]))
    assert np.allclose(mixed, [exact(function, 3.0, 4.0), exact(function, 20.0, -15.0), 0.0])


@pytest.mark.parametrize(("rise", "function"), FUNCTIONS)
def test_arrays_of_any_shapes(rise: Any, function: Any) -> None:
    """Rows of near and of far arguments are taken by themselves, and mixtures entry by entry."""
    del function
    x, d = np.array([[2.0], [1e7], [12.0], [40.0]]), np.array([0.0, 1.0, 3.5])
    whole = np.array([[rise(a, b) for b in d] for a in x[:, 0]])
    for found in (rise(x, d), rise(x, d[None, :]), rise(np.tile(x, 3), d)):
        np.testing.assert_array_equal(found, whole)
    assert rise(np.zeros((0, 1)), d).shape == (0, 3)
    assert rise(x, np.zeros(0)).shape == (4, 0)
