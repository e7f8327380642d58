"""Deviations and squares together: the least place by what makes it one, and by SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize

from emdsl.runtime.bent import least_bent
from emdsl.runtime.constraints import System

Floats = NDArray[np.float64]


def problem(rng: np.random.Generator) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Design, target, weights, slope and curve; ties, whole numbers, directions without squares."""
    size, rows = int(rng.integers(1, 6)), int(rng.integers(1, 60))
    design, target = rng.normal(size=(size, rows)), rng.normal(size=rows) * 3
    if rng.random() < 0.5:
        design = np.round(design)
    if rng.random() < 0.5:
        target = np.round(target)
    design[0] = 1.0
    squares = rng.uniform(0.1, 1, size)
    if rows > 8 * size:  # else nothing may hold a coefficient
        squares *= rng.random(size) < 0.7
    curve = np.diag(squares)
    if rng.random() < 0.3:
        root = rng.normal(size=(size, size))
        curve = curve + root @ root.T
    return design, target, rng.uniform(0.1, 2, rows), rng.normal(size=size) * 0.1, curve


def lack(x: Floats, design: Floats, target: Floats, weights: Floats, slope: Floats, curve: Floats,
         sides: Floats, lower: Floats, upper: Floats) -> float:  # fmt: skip
    """How far zero is from the derivatives of the sum at x, corners having a range of them."""
    left = target - x @ design
    zero = np.abs(left) <= 1e-9 * (1.0 + np.abs(target).max())
    rest = curve @ x - slope - design[:, ~zero] @ (weights * np.sign(left))[~zero]
    columns = [design[:, zero], sides[:, x <= lower + 1e-9], sides[:, x >= upper - 1e-9]]
    most = [weights[zero], np.full(columns[1].shape[1], np.inf), np.zeros(columns[2].shape[1])]
    least = [-weights[zero], np.zeros(columns[1].shape[1]), np.full(columns[2].shape[1], -np.inf)]
    every = np.concatenate(columns, axis=1)
    if not every.shape[1]:
        return float(np.abs(rest).max())
    bounds = (np.concatenate(least) - 1e-12, np.concatenate(most) + 1e-12)
    found = optimize.lsq_linear(every, rest, bounds, tol=1e-14, method="bvls")
    return float(np.abs(every @ found.x - rest).max())


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 100_000))
@example(19635)
def test_zero_is_among_its_derivatives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    given = problem(rng)
    size = len(given[3])
    found = least_bent(*given, rng.normal(size=size) * (seed % 2))
    nowhere = np.full(size, np.inf)
    assert found is not None
    assert lack(found, *given, np.eye(size), -nowhere, nowhere) < 1e-7


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 100_000))
def test_between_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    given = problem(rng)
    size = len(given[3])
    start = rng.normal(size=size)
    lower = np.where(rng.random(size) < 0.5, start - rng.uniform(0, 1, size), -np.inf)
    upper = np.where(rng.random(size) < 0.5, start + rng.uniform(0, 1, size), np.inf)
    found = least_bent(*given, start, bounded(lower, upper))
    assert found is not None
    assert (found >= lower - 1e-9).all()
    assert (found <= upper + 1e-9).all()
    assert lack(found, *given, np.eye(size), lower, upper) < 1e-7


def bounded(lower: Floats, upper: Floats) -> Any:
    size = len(lower)
    return System(np.zeros(size), np.eye(size), np.zeros(size, dtype=bool), lower, upper)


@pytest.mark.parametrize("rows", [30, 3000])
def test_as_deep_as_a_smooth_search(rows: int) -> None:
    rng = np.random.default_rng(rows)
    design = rng.normal(size=(4, rows))
    target = design[0] - design[1] + rng.laplace(size=rows)
    weights, slope, curve = np.ones(rows), np.zeros(4), np.diag([0.0, 5.0, 5.0, 5.0])

    def total(x: Floats) -> float:
        return float(np.abs(target - x @ design).sum() + 0.5 * x @ curve @ x)

    found = least_bent(design, target, weights, slope, curve, np.zeros(4))
    assert found is not None
    peer = optimize.minimize(total, found + 0.01, method="Powell", options={"ftol": 1e-12})
    assert total(found) <= peer.fun + 1e-9


def test_no_least_place() -> None:
    """The slope is steeper than all the deviations, and nothing bends."""
    design, target = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([0.0, 1.0])
    slope, curve = np.array([5.0, 0.0]), np.diag([0.0, 1.0])
    assert least_bent(design, target, np.ones(2), slope, curve, np.zeros(2)) is None
