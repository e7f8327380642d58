"""Normals cut by data, beside SciPy's truncated normal and quadrature."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.integrate import quad

from emdsl import runtime as rt
from emdsl.runtime.how import Draw

Floats = NDArray[np.float64]
INF = np.inf


def natural(mean: Floats, sd: Floats) -> tuple[Floats, Floats]:
    return mean / sd**2, -0.5 / sd**2


def between(lower: Floats, upper: Floats) -> Floats:
    return rt.stretches(np.ones(len(lower)), lower, upper)


def test_stretches_that_touch_are_one() -> None:
    y = np.array([0, 1, 2, 3])
    found = rt.stretches(y < 2, -INF, 0.0, (y > 0) & (y < 3), 0.0, 1.0, y == 2, 2.0, INF)
    assert found.shape == (2, 2, 4)
    assert found[0].tolist() == [[-INF, -INF, 0.0, INF], [0.0, 1.0, 1.0, -INF]]
    assert found[1].tolist() == [[INF, INF, 2.0, INF], [-INF, -INF, INF, -INF]]


def test_stretches_are_put_in_order() -> None:
    """Ends that are inputs may cross: what is empty isn't there."""
    low, high = np.array([1.0, 3.0]), np.array([2.0, 2.5])
    found = rt.stretches(True, high, INF, True, low, high, True, -INF, low)
    assert found.tolist() == [[[-INF, -INF], [INF, INF]]]
    (one,) = rt.stretches(True, low, high)
    assert one.tolist() == [[1.0, INF], [2.0, -INF]]


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_one_end_is_the_truncated_normal(side: float) -> None:
    """From all of the normal to 40 standard deviations out: nothing cancels."""
    away = np.concatenate([np.linspace(-9.0, 40.0, 50), [9.999, 10.001]])
    mean, sd = np.full_like(away, 0.7), np.linspace(0.3, 2.0, len(away))
    end = mean + side * away * sd
    ends = (end, np.full_like(end, INF)) if side > 0 else (np.full_like(end, -INF), end)
    own = natural(mean, sd)
    message, (first, second) = rt.cut_normal(own, between=between(*ends))
    about, variance = rt.cut_normal_summary(own, between=between(*ends))
    whole = 0.5 * (mean / sd) ** 2 + np.log(np.sqrt(2 * np.pi) * sd)
    assert message == pytest.approx(whole + stats.norm.logsf(away), rel=1e-12)
    assert about == pytest.approx(first)
    assert second == pytest.approx(first**2 + variance, rel=1e-13)
    # an exponential series far out, where SciPy's own moments cancel
    near = away < 6
    law = stats.truncnorm((ends[0] - mean) / sd, (ends[1] - mean) / sd, mean, sd)
    assert first[near] == pytest.approx(law.mean()[near], rel=1e-10)
    assert variance[near] == pytest.approx(law.var()[near], rel=1e-8)
    for i in np.flatnonzero(~near):
        a = away[i]

        def density(v: float, a: float = a) -> float:
            return float(np.exp(-v - 0.5 * (v / a) ** 2))

        total, one, two = (
            quad(lambda v, k=k: v**k * density(v), 0, 60, epsabs=0, epsrel=1e-12)[0]
            for k in (0, 1, 2)
        )
        assert side * (first[i] - end[i]) == pytest.approx(sd[i] / a * one / total, rel=1e-9)
        spread = (sd[i] / a) ** 2 * (two / total - (one / total) ** 2)
        assert variance[i] == pytest.approx(spread, rel=1e-8)


def test_two_ends_and_two_stretches() -> None:
    mean, sd = np.array([0.3, -2.0, 5.0]), np.array([1.0, 0.5, 2.0])
    low, high = np.array([-0.5, -1.0, 0.0]), np.array([0.4, 3.0, 1.0])
    window = between(low, high)
    outside = rt.stretches(np.ones(3), -INF, low, np.ones(3), high, INF)
    whole = 0.5 * (mean / sd) ** 2 + np.log(np.sqrt(2 * np.pi) * sd)
    own = natural(mean, sd)
    inner = stats.norm.cdf(high, mean, sd) - stats.norm.cdf(low, mean, sd)
    for ends, mass in ((window, inner), (outside, 1.0 - inner)):
        message, (first, second) = rt.cut_normal(own, between=ends)
        assert message == pytest.approx(whole + np.log(mass), rel=1e-11)
        _, variance = rt.cut_normal_summary(own, between=ends)
        assert second == pytest.approx(first**2 + variance, rel=1e-12)
        law = stats.truncnorm((low - mean) / sd, (high - mean) / sd, mean, sd)
        inside = np.array([law.mean(), law.var() + law.mean() ** 2])
        if ends is outside:  # what is left of the normal's own moments
            both = np.array([mean, mean**2 + sd**2])
            inside = (both - inner * inside) / (1.0 - inner)
        assert first == pytest.approx(inside[0], rel=1e-9)
        assert second == pytest.approx(inside[1], rel=1e-9)


@pytest.mark.parametrize("width", [0.249, 0.251, 1.0, 6.0])
def test_formulas_meet_quadrature(width: float) -> None:
    """Where one takes over from the other, at either side and scale."""
    low = np.concatenate([np.linspace(-9.0, 9.0, 37), [2.999, 3.001, -3.001 - width]])
    mean, sd = np.full_like(low, 40.0), np.full_like(low, 1e-3)
    ends = mean + sd * low, mean + sd * (low + width)
    own = natural(mean, sd)
    exact = rt.truncated_normal(own, *ends)
    message, (first, _) = rt.cut_normal(own, between=between(*ends))
    assert message == pytest.approx(exact[0], rel=1e-13)
    assert first == pytest.approx(exact[1][0], rel=1e-12)
    variance = rt.cut_normal_summary(own, between=between(*ends))[1]
    assert variance == pytest.approx(rt.truncated_normal_summary(own, *ends)[1], rel=1e-7)


def test_draws_lie_where_it_is_possible() -> None:
    rng = np.random.default_rng(1)
    mean, sd = np.full(4000, 0.4), np.full(4000, 1.1)
    ends = rt.stretches(np.ones(4000), -INF, -0.5, np.ones(4000), 1.0, INF)
    _, (u, square) = rt.cut_normal(natural(mean, sd), Draw(rng), between=ends)
    assert ((u < -0.5) | (u > 1.0)).all()
    assert square == pytest.approx(u * u)
    _, (first, _) = rt.cut_normal(natural(mean, sd), between=ends)
    variance = rt.cut_normal_summary(natural(mean, sd), between=ends)[1]
    assert abs(u.mean() - first[0]) < 4 * np.sqrt(variance[0] / 4000)


def test_nothing_cut_off_is_the_normal() -> None:
    mean, sd = np.array([0.0, -3.0, 50.0]), np.array([1.0, 0.1, 7.0])
    ends = between(np.full(3, -INF), np.full(3, INF))
    message, (first, second) = rt.cut_normal(natural(mean, sd), between=ends)
    whole = 0.5 * (mean / sd) ** 2 + np.log(np.sqrt(2 * np.pi) * sd)
    assert message == pytest.approx(whole, rel=1e-14)
    assert first == pytest.approx(mean)
    assert second == pytest.approx(mean**2 + sd**2, rel=1e-14)
    assert rt.cut_normal_summary(natural(mean, sd), between=ends)[1] == pytest.approx(sd**2)


def test_nowhere_possible_has_no_probability() -> None:
    ends = between(np.array([0.0, 2.0]), np.array([1.0, 1.0]))
    message, (first, second) = rt.cut_normal(natural(np.zeros(2), np.ones(2)), between=ends)
    assert message[1] == -INF
    assert np.isfinite([message[0], *first, *second]).all()
