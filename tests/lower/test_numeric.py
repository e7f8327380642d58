"""Every numeric block's generated functions against differences of themselves, and against Q.

Q is the enumeration's (`emdsl.verify`), which knows nothing of how a block was derived.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emdsl.runtime import numeric
from emdsl.runtime.numeric import Numeric, Share
from emdsl.runtime.program import Statistics
from emdsl.verify.checks import Case
from tests.lower import numeric_models

Point = tuple[NDArray[Any], ...]


@cache
def made(name: str) -> Case:
    return numeric_models.case(name)


class Climb:
    """Stands in for the runtime's: goes to given points instead of uphill, and remembers."""

    def __init__(self, to: Mapping[str, NDArray[Any]] | None = None) -> None:
        self.to = to or {}
        self.asked: list[tuple[Numeric, Statistics, dict[str, Any]]] = []
        self.units: list[Any] = []

    def __call__(
        self, block: Numeric, statistics: Statistics, values: Mapping[str, Any], unit: Any = 1.0
    ) -> tuple[NDArray[Any], ...]:
        self.asked.append((block, statistics, dict(values)))
        self.units.append(unit)
        return tuple(np.asarray(self.to.get(n, values[n]), dtype=float) for n in block.params)


def through(
    case: Case, statistics: Statistics, monkeypatch: pytest.MonkeyPatch,
    to: Mapping[str, NDArray[Any]] | None = None,
) -> tuple[Climb, dict[str, NDArray[Any]]]:  # fmt: skip
    """An M-step whose numeric blocks end where `to` says, and what it was."""
    climb = Climb(to)
    monkeypatch.setattr(case.module.rt, "climb", climb)
    new = case.module.m_step(statistics, case.params)
    monkeypatch.setattr(case.module.rt, "climb", numeric.climb)
    return climb, new


def differences(share: Share, point: Point, step: float = 2e-5) -> list[list[Any]]:
    """The gradient by differences of the value, and the Hessian by those of the gradient."""

    def moved(i: int, place: tuple[int, ...], h: float) -> Point:
        batch = share.block.batch
        out = [np.array(x, dtype=float) for x in point]
        out[i][(..., *place) if batch else place] += h
        return tuple(out)

    batch = share.block.batch
    first: list[Any] = []
    second: list[Any] = []
    for i, x in enumerate(point):
        own = x.shape[batch:]
        gradient = np.zeros(x.shape)
        rows: list[Any] = [np.zeros((*x.shape, *y.shape[batch:])) for y in point]
        for place in np.ndindex(*own):
            h = step * max(1.0, float(np.abs(x).max()))
            up, down = moved(i, place, h), moved(i, place, -h)
            at = (Ellipsis, *place)
            gradient[at] = (share.value(up) - share.value(down)) / (2.0 * h)
            above, below = share.slopes(up, False), share.slopes(down, False)
            for j, row in enumerate(rows):
                lead = (slice(None),) * batch
                row[(*lead, *place)] = (above.gradient[j] - below.gradient[j]) / (2.0 * h)
        first.append(gradient)
        second.append(rows)
    return [first, second]


def near(one: Any, other: Any, scale: float) -> bool:
    return bool(np.allclose(one, other, rtol=2e-5, atol=2e-6 * scale))


@pytest.mark.parametrize("name", numeric_models.NAMES)
def test_slopes_are_differences_of_the_value(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = made(name)
    statistics = case.module.e_step(case.data, case.params)
    climb, _ = through(case, statistics, monkeypatch)
    assert {b.params for b, _, _ in climb.asked} == {b.params for b in case.module.PROGRAM.numeric}
    for block, stats, values in climb.asked:
        share = Share(block, stats, values)
        point = share.start()
        slopes = share.slopes(point, True)
        first, second = differences(share, point)
        assert slopes.hessian is not None
        value = share.value(point)
        assert value.shape == point[0].shape[: block.batch]
        assert np.isfinite(value).all()
        assert slopes.value is not None
        np.testing.assert_allclose(slopes.value, value, rtol=1e-12)
        scale = max(1.0, float(np.abs(value).max()))
        for i, x in enumerate(point):
            assert np.shape(slopes.gradient[i]) == x.shape
            assert near(slopes.gradient[i], first[i], scale), (block.params[i], first[i])
            for j, y in enumerate(point):
                assert slopes.hessian[i][j].shape == (*x.shape, *y.shape[block.batch :])
                assert near(slopes.hessian[i][j], second[i][j], scale), block.params


def kept_pivot(case: Case, name: str, statistics: Statistics) -> Any:
    """What the M-step takes off a parameter, shaped to be added to it."""
    kept = case.compiled.derivation.joint.pivots.get(name)
    if kept is None or name not in statistics.pivot:
        return 0.0
    rank = len(case.compiled.model.param(name).shape)
    drop = tuple(i for i in range(rank) if i not in kept)
    return np.expand_dims(statistics.pivot[name], drop) if drop else statistics.pivot[name]


@pytest.mark.parametrize("name", numeric_models.NAMES)
def test_value_is_the_blocks_share_of_q(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to what doesn't depend on the block.

    Parameters that are put into it by their formula follow (profiled); a positive factor of others
    that all of it has in common is left out, and given beside it.
    """
    case = made(name)
    statistics = case.module.e_step(case.data, case.params)
    found = case.elements()
    climb, _ = through(case, statistics, monkeypatch)
    rng = np.random.default_rng(8)
    for (block, stats, values), unit in zip(climb.asked, climb.units, strict=True):
        share = Share(block, stats, values)
        following = {
            u.param for u in case.compiled.derivation.m_step.updates
            if u.rule == "scalar" and u.needs & set(block.params)
        }  # fmt: skip
        now = {n: np.asarray(v) + kept_pivot(case, n, stats) for n, v in values.items()}
        held, followed, own = [], [], []
        for _ in range(4):
            to = dict(now)
            for n, kind in zip(block.params, block.kinds, strict=True):
                to[n] = _near(now[n], kind, rng)
            inside = {n: to[n] - kept_pivot(case, n, stats) for n in block.params}
            _, new = through(case, statistics, monkeypatch, inside)
            params = {**case.params, **to}
            held.append(case.q(found, params))
            followed.append(case.q(found, {**params, **{n: new[n] for n in following}}))
            point = tuple(
                np.transpose(inside[n], p) for n, p in zip(block.params, block.places, strict=True)
            )
            own.append(float(share.value(point).sum()))
        ratios = np.diff(held) / np.diff(own)
        common = np.size(unit) == 1 and np.allclose(ratios, unit, rtol=1e-6)
        profiled = np.allclose(np.diff(followed), np.diff(own), rtol=1e-6)
        assert common or profiled, (block.params, held, followed, own)


def _near(x: NDArray[Any], kind: str, rng: np.random.Generator) -> NDArray[Any]:
    step = rng.normal(size=x.shape) * 0.3
    match kind:
        case "positive":
            return x * np.exp(step)
        case "unit":
            return x / (x + (1.0 - x) * np.exp(step))
        case "simplex":
            moved = x * np.exp(step)
            return np.asarray(moved / moved.sum(axis=-1, keepdims=True))
        case "ordered":
            return np.sort(x + step, axis=-1)
        case _:
            return x + step
