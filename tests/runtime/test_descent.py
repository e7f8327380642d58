"""Squares and absolute deviations of single coefficients, against a quadratic program."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import optimize

from emdsl.runtime.bent import least_bent
from emdsl.runtime.descent import least_with_squares

RNG = np.random.default_rng(21)


def problem(size: int, rows: int, seed: int, rank: int | None = None) -> Any:
    """Columns with one entry each; without `rank` the squares are strictly convex."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(size, rank or 2 * size))
    design = np.zeros((size, rows))
    whose = np.arange(size) if rows == size else rng.integers(0, size, rows)
    design[whose, np.arange(rows)] = rng.choice([-2.0, 0.5, 1.0], rows)
    target = rng.normal(size=rows) * (seed % 3 > 0)  # the lasso's corners are at zero
    return design, target, rng.gamma(2.0, size=rows), rng.normal(size=size) * 3.0, root @ root.T


def value(theta: Any, given: Any) -> float:
    design, target, weights, slope, curve = given
    away = np.abs(target - theta @ design)
    return float(0.5 * theta @ curve @ theta - slope @ theta + weights @ away)


@pytest.mark.parametrize("rows", [1, 6, 17])
@pytest.mark.parametrize("seed", range(6))
def test_it_is_where_a_quadratic_program_ends(rows: int, seed: int) -> None:
    given = problem(6, rows, seed)
    found = least_with_squares(*given, RNG.normal(size=6))
    other = least_bent(*given, np.zeros(6))
    assert other is not None
    np.testing.assert_allclose(found, other, rtol=1e-9, atol=1e-10)
    assert value(found, given) <= value(other, given) + 1e-12 * (1.0 + abs(value(other, given)))


@pytest.mark.parametrize("seed", range(4))
def test_bounds_are_kept(seed: int) -> None:
    given = problem(5, 5 + 4 * (seed % 2), seed)
    limits = np.stack([np.full(5, -0.1), np.full(5, 0.25)])
    found = least_with_squares(*given, np.zeros(5), limits)
    assert (found >= limits[0]).all()
    assert (found <= limits[1]).all()
    design, target, weights, slope, curve = given
    count = len(target)
    peer = optimize.minimize(  # deviations by what they are at the least
        lambda x: 0.5 * x[:5] @ curve @ x[:5] - slope @ x[:5] + weights @ x[5:],
        np.concatenate([np.zeros(5), np.abs(target)]),
        method="SLSQP",
        bounds=[*zip(*limits, strict=True), *[(0.0, None)] * count],
        constraints=[
            {"type": "ineq", "fun": lambda x: x[5:] - (target - x[:5] @ design)},
            {"type": "ineq", "fun": lambda x: x[5:] + (target - x[:5] @ design)},
        ],
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert value(found, given) <= peer.fun + 1e-9
    np.testing.assert_allclose(found, peer.x[:5], atol=1e-5)


def test_coefficients_at_their_corners_are_exactly_there_and_take_few_sweeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from emdsl.runtime import descent

    sweeps = []
    single = descent._sweep_single
    monkeypatch.setattr(descent, "_sweep_single", lambda *a: (sweeps.append(1), single(*a))[1])
    size = 80
    root = np.random.default_rng(2).normal(size=(size, size + 5))
    curve = root @ root.T + 0.1 * np.eye(size)  # ill-conditioned: sweeps alone take thousands
    given = np.eye(size), np.zeros(size), np.full(size, 60.0), 5.0 * root[:, 0] * size, curve
    found = least_with_squares(*given, np.zeros(size))
    force = given[3] - curve @ found
    at = found == 0.0
    assert 0 < at.sum() < size
    np.testing.assert_allclose(force[~at], 60.0 * np.sign(found[~at]), rtol=1e-7)
    assert (np.abs(force[at]) <= 60.0 * (1.0 + 1e-9)).all()
    assert len(sweeps) < 200


def test_flat_directions_are_left_to_the_sweeps() -> None:
    design, target, weights, slope, curve = problem(4, 4, 1, rank=2)
    given = design, target, weights + 20.0, slope, curve  # steeper than the slope: bounded
    found = least_with_squares(*given, np.zeros(4))
    exact = {"xatol": 1e-10, "fatol": 1e-12, "maxiter": 4000}
    other = optimize.minimize(value, found, args=(given,), method="Nelder-Mead", options=exact)
    assert value(found, given) <= other.fun + 1e-9


def test_rows_without_weight_or_design_count_for_nothing() -> None:
    design, target, weights, slope, curve = problem(3, 3, 4)
    wide = np.hstack([design, np.zeros((3, 1)), design[:, :1]])
    more = np.append(target, [5.0, 7.0]), np.append(weights, [2.0, 0.0])
    found = least_with_squares(wide, *more, slope, curve, np.zeros(3))
    plain = least_with_squares(design, target, weights, slope, curve, np.zeros(3))
    np.testing.assert_allclose(found, plain, rtol=1e-12)
