"""Unconstrained coordinates: there and back, and derivatives against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emdsl.runtime.coordinates import Coordinates
from emdsl.runtime.newton import maximise
from emdsl.runtime.objective import Restriction

from .newton_problems import Quadratic

KINDS = ("real", "positive", "unit", "ordered", "simplex")


def start(kind: str, shape: tuple[int, ...], rng: Any) -> Any:
    x = rng.normal(size=shape)
    if kind == "positive":
        return np.exp(x)
    if kind == "unit":
        return 1 / (1 + np.exp(-x))
    if kind == "ordered":
        return np.sort(x, axis=-1)
    if kind == "simplex":
        return np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    return x


def block(kinds: tuple[str, ...], shapes: Any, batch: int, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    point = tuple(start(k, s, rng) for k, s in zip(kinds, shapes, strict=True))
    n = sum(int(np.prod(s[batch:])) for s in shapes)
    root = rng.normal(size=(n, n))
    lead = shapes[0][:batch]
    c, b = rng.normal(size=(*lead, n)), rng.normal(size=(*lead, n)) ** 2
    return point, Quadratic(c, 0.1 * (root + root.T), b, tuple(shapes), batch)


def check_derivatives(frame: Coordinates, objective: Any) -> None:
    """The chained gradient and Hessian of every problem against central differences."""
    free, flat = frame.first()
    slopes = objective.slopes(frame.point(flat), True)
    gradient, curvature = frame.gradient(flat, slopes), frame.curvature(flat, slopes)
    step = 1e-5
    for i in range(frame.unknowns):
        move = np.zeros(frame.unknowns)
        move[i] = step
        up, down = frame.natural(free + move), frame.natural(free - move)
        slope = (frame.values(objective, up) - frame.values(objective, down)) / (2 * step)
        assert np.allclose(gradient[:, i], slope, rtol=1e-6, atol=1e-7)
        rows = [frame.gradient(x, objective.slopes(frame.point(x), False)) for x in (up, down)]
        assert np.allclose(-curvature[:, i], (rows[0] - rows[1]) / (2 * step), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("shape", "batch"), [((4,), 0), ((2, 3), 0), ((3, 4), 1), ((2, 2, 2, 3), 2)]
)
def test_derivatives_of_each_kind(kind: str, shape: tuple[int, ...], batch: int) -> None:
    point, objective = block((kind,), (shape,), batch, 1)
    frame = Coordinates(point, (kind,), batch)
    assert np.allclose(frame.natural(frame.first()[0]), frame.flat, rtol=1e-12)
    check_derivatives(frame, objective)


def test_derivatives_of_all_kinds_together_in_a_batch() -> None:
    shapes = ((2, 3), (2,), (2, 2), (2, 2, 3), (2, 4))
    point, objective = block(KINDS, shapes, 1, 2)
    check_derivatives(Coordinates(point, KINDS, 1), objective)


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_with_held_entries(kind: str) -> None:
    point, objective = block((kind,), ((2, 5),), 1, 3)
    held = np.zeros((2, 5), dtype=bool)
    held[0, [1, 3]] = held[1, 0] = True
    frame = Coordinates(point, (kind,), 1, (held,))
    check_derivatives(frame, objective)
    moved = frame.natural(frame.first()[0] + np.random.default_rng(4).normal(size=(2, 5)) * 0.01)
    assert np.array_equal(moved[held], frame.flat[held])
    if kind == "simplex":
        assert np.allclose(moved.sum(-1), 1.0, atol=1e-14)


def test_derivatives_under_a_restriction() -> None:
    rng = np.random.default_rng(5)
    point, objective = block(KINDS, ((2,), (2,), (2,), (3,), (3,)), 0, 5)
    rule = Restriction(rng.normal(size=12), rng.normal(size=(12, 4)))
    check_derivatives(Coordinates(point, KINDS, 0, None, rule), objective)


def test_zeros_of_a_simplex_and_gaps_of_nothing_stay() -> None:
    kinds = ("simplex", "ordered", "unit")
    point, objective = block(kinds, ((2, 4), (4,), (3,)), 0, 6)
    point[0][0] = [0.5, 0.0, 0.2, 0.3]
    point[0][1] = [0.0, 1.0, 0.0, 0.0]
    point[1][:] = [-1.0, 2.0, 2.0, 3.0]
    point[2][:2] = [0.0, 1.0]
    check_derivatives(Coordinates(point, kinds, 0), objective)
    p, mu, u = maximise(objective, point, kinds, 0, steps=20)
    assert p[0, 1] == 0.0
    assert np.allclose(p[1], [0.0, 1.0, 0.0, 0.0])
    assert np.allclose(p.sum(-1), 1.0)
    assert mu[1] == mu[2]
    assert tuple(u[:2]) == (0.0, 1.0)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), steps=st.integers(1, 15))
def test_any_block_only_rises_and_stays_inside(seed: int, steps: int) -> None:
    shapes = ((2, 3), (2,), (2, 2), (2, 2, 3), (2, 4))
    point, objective = block(KINDS, shapes, 1, seed)
    rng = np.random.default_rng(seed)
    held = tuple(rng.random(s) < 0.2 if rng.random() < 0.5 else None for s in shapes)
    new = maximise(objective, point, KINDS, 1, steps=steps, held=held)
    assert (objective.value(new) >= objective.value(point)).all()
    for x, old, mask in zip(new, point, held, strict=True):
        assert x.shape == old.shape
        assert mask is None or np.array_equal(x[mask], old[mask])
    _, positive, unit, ordered, simplex = new
    assert (positive > 0).all()
    assert ((unit >= 0) & (unit <= 1)).all()
    assert (np.diff(ordered, axis=-1) >= 0).all()
    assert np.allclose(simplex.sum(-1), 1.0, atol=1e-12)


def test_ordered_means_that_want_to_swap_are_pooled() -> None:
    # -sum w (x - t)^2 / 2 with the targets out of order: isotonic regression's answer
    target, w = np.array([1.0, 3.0, 2.0, 5.0]), np.array([1.0, 1.0, 3.0, 1.0])
    objective = Quadratic(w * target, -np.diag(w), np.zeros(4), ((4,),), 0)
    (x,) = maximise(objective, (np.arange(4.0),), ("ordered",), 0, steps=100)
    assert np.allclose(x, [1.0, 2.25, 2.25, 5.0], atol=1e-5)


def test_a_simplex_as_numeric_block_normalises_counts() -> None:
    class Counts:
        def value(self, point: Any) -> Any:
            return np.asarray((counts * np.log(point[0])).sum(-1))

        def slopes(self, point: Any, second: bool) -> Any:
            from emdsl.runtime.newton import Slopes

            h = -np.eye(4) * (counts / point[0] ** 2)[..., None]
            return Slopes((counts / point[0],), ((h,),))

    counts = np.array([[1.0, 2.0, 3.0, 4.0], [1e-3, 5.0, 1e4, 1.0]])
    (p,) = maximise(Counts(), (np.full((2, 4), 0.25),), ("simplex",), 1, steps=60)
    assert np.allclose(p, counts / counts.sum(-1, keepdims=True), rtol=1e-8)
