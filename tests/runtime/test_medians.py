"""Weighted medians and least absolute deviations against slow searches and linear programs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize

from emdsl.runtime import medians
from emdsl.runtime.medians import bent_median, deviation, least_absolute, weighted_median

Floats = NDArray[Any]


def median(points: Floats, weights: Floats, slope: float = 0.0) -> float:
    return weighted_median(points, weights, np.argsort(points), slope)


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 4)), min_size=1, max_size=12))
def test_a_median_of_repeated_points(pairs: list[tuple[int, int]]) -> None:
    points, counts = (np.array(x, dtype=float) for x in zip(*pairs, strict=True))
    if counts.sum() == 0:
        assert np.isnan(median(points, counts))
        return
    expected = np.median(np.repeat(points, counts.astype(int)))
    assert median(points, counts) == expected
    assert median(points, counts * 0.1) == expected  # sums of a tenth are not exact


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_a_slope_makes_it_a_quantile(share: float) -> None:
    rng = np.random.default_rng(3)
    points, weights = rng.normal(size=40), rng.uniform(0.1, 1.0, 40)
    slope = (2.0 * share - 1.0) * weights.sum()
    found = median(points, weights, slope)
    losses = [(weights * np.abs(points - x)).sum() - slope * x for x in points]
    assert found == points[int(np.argmin(losses))]
    assert weights[points < found].sum() < share * weights.sum() <= weights[points <= found].sum()


def test_a_slope_steeper_than_all_deviations_has_no_least_place() -> None:
    points, weights = np.arange(4.0), np.ones(4)
    assert np.isnan(median(points, weights, 4.5))
    assert np.isnan(median(points, weights, -4.5))


def test_a_median_far_out_is_a_data_point_to_the_last_digit() -> None:
    points = 1e8 + np.array([0.0, 1.0, 3.0, 4.0, 9.0]) * 1e-7
    assert median(points, np.ones(5)) == points[2]
    assert median(points[:4], np.ones(4)) == points[1] + 0.5 * (points[2] - points[1])


@pytest.mark.parametrize("seed", range(20))
def test_a_square_pulls_a_median(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, weights = np.round(rng.normal(size=seed) * 4) / 4, rng.random(seed)
    slope, bend = float(rng.normal()), float(rng.uniform(0.1, 3.0))

    def loss(x: float) -> float:
        return 0.5 * bend * x * x + float((weights * np.abs(points - x)).sum()) - slope * x

    found = bent_median(points, weights, slope, bend)
    grid = np.concatenate([points, found + np.linspace(-1.0, 1.0, 2001)])
    assert loss(found) <= min(map(loss, grid)) + 1e-12


def by_program(design: Floats, target: Floats, weights: Floats, slope: Floats) -> float:
    """The least sum, of the linear program in deviations either way."""
    size, rows = design.shape
    cost = np.concatenate([-slope, weights, weights])
    equal = np.hstack([design.T, np.eye(rows), -np.eye(rows)])
    bounds = [(None, None)] * size + [(0.0, None)] * (2 * rows)
    found = optimize.linprog(cost, A_eq=equal, b_eq=target, bounds=bounds, method="highs")
    assert found.success
    return float(found.fun)


@pytest.mark.parametrize("seed", range(60))
def test_least_absolute_deviations_are_the_linear_programs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, size = int(rng.integers(1, 50)), int(rng.integers(1, 6))
    design = rng.normal(size=(size, rows))
    design[0] = 1.0
    target, weights = rng.standard_t(2, size=rows), rng.random(rows)
    if seed % 3 == 0:
        design = np.round(design)  # columns that depend on each other, rows that are equal
    if seed % 2 == 0:
        target = np.round(target)  # many deviations of zero at once
    if seed % 4 == 0:
        weights[:] = 1.0 / 3.0
    slope = np.zeros(size)
    if seed % 5 == 0:
        slope = design @ (weights * rng.uniform(-0.9, 0.9, rows))
    found = least_absolute(design, target, weights, slope, rng.normal(size=size))
    assert found is not None
    least = by_program(design, target, weights, slope)
    assert deviation(design, target, weights, slope, found) == pytest.approx(least, abs=1e-9)


def test_far_from_zero_and_on_unlike_scales(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(medians, "_dual", lambda *_: pytest.fail("the simplex method lost its way"))
    rng = np.random.default_rng(5)
    u, noise = rng.normal(size=(2, 400)), rng.laplace(size=400)
    design = np.stack([np.ones(400), 1e6 + u[0], 1e-8 * u[1]])
    near = np.stack([np.ones(400), u[0], u[1]])
    slope, weights = np.zeros(3), rng.random(400)
    plain = least_absolute(near, noise, weights, slope, np.zeros(3))
    far = least_absolute(design, 1e8 + noise, weights, slope, np.zeros(3))
    assert plain is not None
    assert far is not None
    least = deviation(near, noise, weights, slope, plain)
    assert deviation(design, 1e8 + noise, weights, slope, far) == pytest.approx(least, rel=1e-6)


def test_coefficients_that_the_rows_do_not_tell_apart_stay() -> None:
    design = np.stack([np.ones(9), np.arange(9.0), 2.0 * np.arange(9.0)])
    found = least_absolute(design, np.arange(9.0) + 1.0, np.ones(9), np.zeros(3), np.zeros(3))
    assert found is not None
    assert 0.0 in found[1:]
    np.testing.assert_allclose(found @ design, np.arange(9.0) + 1.0, atol=1e-12)


def test_without_rows_or_weights_nothing_moves() -> None:
    start = np.array([3.0, -1.0])
    empty = least_absolute(np.empty((2, 0)), np.empty(0), np.empty(0), np.zeros(2), start)
    assert np.array_equal(empty, start)
    none = least_absolute(np.ones((2, 5)), np.ones(5), np.zeros(5), np.zeros(2), start)
    assert np.array_equal(none, start)


def test_the_dual_is_an_answer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(medians, "_simplex", lambda *_: (None, False))
    rng = np.random.default_rng(6)
    design, target, weights = rng.normal(size=(3, 30)), rng.normal(size=30), rng.random(30)
    found = least_absolute(design, target, weights, np.zeros(3), np.zeros(3))
    assert found is not None
    least = by_program(design, target, weights, np.zeros(3))
    assert deviation(design, target, weights, np.zeros(3), found) == pytest.approx(least, rel=1e-9)
    steep = 2.0 * np.abs(design).sum() * np.ones(3)
    assert least_absolute(design, target, weights, steep, np.zeros(3)) is None
