"""Rows between bounds: the maximum, beside every active set that there is."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import brentq

from emdsl.runtime.shares import shared_within

Floats = NDArray[Any]

NONE = np.inf


def within(counts: Any, lower: Any, upper: Any, old: Any = None, held: Any = False) -> Floats:
    value = np.asarray(counts, float)
    start = np.full(value.shape, 1.0 / value.shape[-1]) if old is None else np.asarray(old, float)
    shapes = (np.broadcast_to(np.asarray(x), value.shape) for x in (held, lower, upper))
    mask, low, high = shapes
    return shared_within(value, mask, low.astype(float), high.astype(float), start)


def objective(counts: Floats, p: Floats) -> float:
    return float(counts @ np.log(np.maximum(p, 1e-300)))


def by_enumeration(counts: Floats, lower: Floats, upper: Floats) -> float:
    """Q at the best of all ways to put entries at a bound or to let them share the rest."""
    best = -np.inf
    for way in product("lu ", repeat=len(counts)):
        at, free = np.array(way), np.array(way) == " "
        p = np.select([at == "l", at == "u"], [lower, upper], 0.0)
        left = 1.0 - p.sum()
        if free.any():
            p = np.where(free, counts / counts[free].sum() * left, p)
        elif abs(left) > 1e-12:
            continue
        if (p >= lower - 1e-12).all() and (p <= upper + 1e-12).all():
            best = max(best, objective(counts, p))
    return best


def test_no_active_set_is_better() -> None:
    """Two hundred rows of two to five entries, with counts from 1e-6 to a hundred."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        k = int(rng.integers(2, 6))
        counts = rng.gamma(0.3, 30.0, k) + 1e-6
        inside = rng.dirichlet(np.ones(k))
        lower = np.where(rng.random(k) < 0.6, inside * rng.random(k), 0.0)
        upper = np.where(rng.random(k) < 0.6, inside + (1 - inside) * rng.random(k) ** 2, 1.0)
        p = within(counts, lower, upper)
        assert (p >= lower).all()
        assert (p <= upper).all()
        assert p.sum() == pytest.approx(1.0, abs=1e-14)
        assert objective(counts, p) == pytest.approx(
            by_enumeration(counts, lower, upper), rel=1e-12
        )


def test_many_rows_of_many_entries_are_each_at_the_root_in_its_multiplier() -> None:
    """SciPy's root of sum clip(s / m, l, u) = 1, of rows that have bounds of their own."""
    rng = np.random.default_rng(1)
    counts = rng.gamma(0.5, 10.0, (3, 20, 50))
    lower, upper = rng.uniform(0.0, 0.019, counts.shape), rng.uniform(0.021, 0.1, counts.shape)
    p = within(counts, lower, upper)
    for row in np.ndindex(3, 20):
        s, a, b = counts[row], lower[row], upper[row]
        log_m = brentq(lambda t: np.clip(s / np.exp(t), a, b).sum() - 1.0, -30.0, 30.0, xtol=1e-15)  # noqa: B023
        assert p[row] == pytest.approx(np.clip(s / np.exp(log_m), a, b), abs=1e-12)
    assert np.array_equal(p[1, 4], within(counts[1, 4], lower[1, 4], upper[1, 4]))


def test_an_entry_without_counts_is_at_its_lower_bound() -> None:
    assert within([6.0, 2.0, 0.0], [0.0, 0.0, 0.1], NONE) == pytest.approx([0.675, 0.225, 0.1])
    assert within([6.0, 2.0, -0.5], [0.0, 0.0, 0.1], NONE) == pytest.approx([0.675, 0.225, 0.1])


def test_what_counts_have_no_room_for_is_shared_by_the_others_as_it_was() -> None:
    """Every way to share it is a maximum; the old one is the least to move."""
    found = within([5.0, 0.0, 0.0], -NONE, [0.4, NONE, 0.3], old=[0.2, 0.2, 0.6])
    assert found == pytest.approx([0.4, 0.3, 0.3])
    found = within([5.0, 0.0, 0.0], -NONE, [0.4, NONE, NONE], old=[0.2, 0.2, 0.6])
    assert found == pytest.approx([0.4, 0.15, 0.45])
    found = within([5.0, 0.0, 0.0], -NONE, [0.4, NONE, NONE], old=[1.0, 0.0, 0.0])
    assert found == pytest.approx([0.4, 0.3, 0.3])


def test_a_row_without_counts_stays() -> None:
    old = np.array([[0.3, 0.2, 0.5], [0.25, 0.25, 0.5]])
    assert within(np.zeros((2, 3)), 0.1, [0.9, 0.9, 0.5], old=old) == pytest.approx(old, abs=1e-16)


def test_counts_below_zero_lower_no_objective() -> None:
    """A Dirichlet argument below 1 whose entries have to take mass: none has more than before."""
    old = np.array([0.2, 0.5, 0.3])
    found = within([4.0, -0.5, -0.25], [0.1, 0.1, 0.1], [0.3, NONE, NONE], old=old)
    assert found[0] == 0.3
    assert (found[1:] <= old[1:]).all()
    assert found.sum() == pytest.approx(1.0)


def test_held_entries_stay_and_the_rest_is_between_bounds() -> None:
    found = within(
        [0.25, 9.0, 1.0, 0.0], 0.1, [NONE, 0.5, NONE, NONE], held=[True, False, False, False]
    )
    assert found == pytest.approx([0.25, 0.5, 0.15, 0.1])


def test_bounds_that_leave_one_row_give_it_whatever_the_counts() -> None:
    lower = np.full(10, 0.1)
    assert within(np.arange(10.0), lower, NONE) == pytest.approx(lower, abs=1e-16)
    assert within(np.arange(10.0), -NONE, lower) == pytest.approx(lower, abs=1e-16)


def test_scales_of_counts_are_no_matter() -> None:
    counts = np.array([1e300, 1e-300, 3.0, 1e-310])
    found = within(counts, [0.0, 0.0, 0.0, 0.2], [0.3, NONE, 0.4, NONE])
    assert found == pytest.approx([0.3, 0.1, 0.4, 0.2])


def test_a_row_that_is_not_finite_is_not_a_number_and_the_others_are() -> None:
    found = within([[np.nan, 1.0], [np.inf, 1.0], [1.0, 3.0]], 0.3, NONE)
    assert np.isnan(found[:2]).all()
    assert found[2] == pytest.approx([0.3, 0.7])
