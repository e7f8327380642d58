"""Numeric blocks under constraints: entries fixed, tied, in linear equations or between bounds.

Fixed entries are held in each problem of a batch. Ties and equations may link the problems, which
are then solved as one, in free coordinates that obey them. Bounds are met by an active set: an
entry that went beyond one is held there, and let go where Q rises inwards (Nocedal and Wright 2006,
section 16.5). Of a simplex, whose entries sum to one, that is where Q rises more than by what gives
way: the multiplier of the sum is taken off the slopes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.constraints import Constraints
from emdsl.runtime.held import Held
from emdsl.runtime.newton import maximise
from emdsl.runtime.objective import Floats, Mask, Point, Restriction, Slopes
from emdsl.runtime.rules import bounds_of, fixed_of, linked, rules_of

if TYPE_CHECKING:
    from emdsl.runtime.numeric import Share

__all__ = ["climb_within", "rules_of"]

_ROUNDS = 20  # of the active set, and two for each entry
_HALVINGS = 40


def climb_within(share: Share, start: Point, steps: int, rules: Constraints) -> Point:
    """A point at least as high as the start, where the constraints hold."""
    block = share.block
    held = tuple(fixed_of(share, i) for i in range(len(block.params)))
    if not linked(share, rules):
        lower, upper = bounds_of(share, rules)

        def step(at: Point, kept: tuple[Mask, ...]) -> Point:
            return maximise(share, at, block.kinds, block.batch, steps=steps, held=kept,
                            shift=block.shift, arms=share.arms())  # fmt: skip

        return _active(share, step, start, held, lower, upper, block.kinds)
    whole = _Whole(share)
    flat = whole.stored(start)
    kept = tuple(share.declared(h, i) for i, h in enumerate(held))
    restriction = _restriction(share, rules, flat)

    def together(at: Point, now: tuple[Mask, ...]) -> Point:
        return maximise(whole, at, block.kinds, 0, steps=steps, held=now, restriction=restriction)

    bounds = bounds_of(share, rules)
    lower, upper = (tuple(share.declared(b, i) for i, b in enumerate(side)) for side in bounds)
    found = _active(whole, together, flat, kept, lower, upper, block.kinds, restriction.matrix)
    return whole.batched(found)


def _restriction(share: Share, rules: Constraints, flat: Point) -> Restriction:
    """The equalities in unconstrained coordinates.

    Of a real parameter these are its own; elsewhere only ties are there, which are the same.
    """
    index: list[NDArray[Any]] = []
    shift: list[Floats] = []
    free = -1
    for name, x in zip(share.block.params, flat, strict=True):
        value = share.values[name]
        if isinstance(value, Held):
            at = rules.of(name)
            index.append(np.arange(at.start, at.stop))
            shift.append(value.shifts().ravel())
        else:
            index.append(np.arange(free, free - x.size, -1))
            free -= x.size
            shift.append(np.zeros(x.size))
    system = rules.system(np.concatenate(index).astype(np.intp), np.concatenate(shift))
    offset = np.where(system.held, 0.0, system.offset)
    return Restriction(offset, system.matrix)


class _Whole:
    """A batch of problems as one, each parameter in its declared shape."""

    def __init__(self, share: Share) -> None:
        self.share = share

    def stored(self, point: Point) -> Point:
        return self.share.stored(point)

    def batched(self, point: Point) -> Point:
        places = self.share.block.places
        return tuple(np.transpose(x, p) for x, p in zip(point, places, strict=True))

    def value(self, point: Point) -> Floats:
        return np.asarray(self.share.value(self.batched(point)).sum())

    def slopes(self, point: Point, second: bool) -> Slopes:
        found = self.share.slopes(self.batched(point), second)
        gradient = self.stored(found.gradient)
        value = None if found.value is None else np.asarray(found.value.sum())
        if not found.second:
            return Slopes(gradient, value=value)
        rows = tuple(
            tuple(self._spread(block, i, j) for j, block in enumerate(row))
            for i, row in enumerate(found.grid())
        )
        return Slopes(gradient, rows, value)

    def _spread(self, block: Floats, i: int, j: int) -> Floats:
        """A block (batch..., own..., own'...) as (declared..., declared'...), zero across."""
        share = self.share
        batch = share.block.batch
        block = np.asarray(block)  # a number, where there is no axis
        lead = block.shape[:batch]
        count = math.prod(lead)
        cut = batch + len(share.block.places[i]) - batch
        one, two = block.shape[batch:cut], block.shape[cut:]
        flat = block.reshape(count, math.prod(one), math.prod(two))
        whole = np.zeros((count, math.prod(one), count, math.prod(two)))
        at = np.arange(count)
        whole[at, :, at, :] = flat
        shaped = whole.reshape((*lead, *one, *lead, *two))
        rows = np.argsort(share.block.places[i])
        columns = np.argsort(share.block.places[j]) + len(rows)
        return np.transpose(shaped, (*rows, *columns))


def _active(
    objective: Share | _Whole,
    step: Callable[[Point, tuple[Mask, ...]], Point],
    start: Point,
    held: tuple[Mask, ...],
    lower: Point,
    upper: Point,
    kinds: tuple[str, ...],
    matrix: Floats | None = None,
) -> Point:
    """The highest point between bounds, from one that is; no round lowers the objective.

    `matrix` is that of the equalities, if any: tied entries are let go together.
    """
    if not any(np.isfinite(b).any() for b in (*lower, *upper)):
        return step(start, held)
    here = tuple(np.clip(x, a, b) for x, a, b in zip(start, lower, upper, strict=True))
    taken = tuple(h if k == "simplex" else None for h, k in zip(held, kinds, strict=True))
    stuck = _outward(objective, here, lower, upper, taken, matrix)
    for _ in range(_ROUNDS + 2 * sum(x.size for x in here)):
        found = step(here, tuple(h | s for h, s in zip(held, stuck, strict=True)))
        here, reached = _cut(objective, here, found, lower, upper)
        if reached is not None:
            stuck = tuple(s | r for s, r in zip(stuck, reached, strict=True))
            continue
        out = _outward(objective, here, lower, upper, taken, matrix)
        kept = tuple(s & o for s, o in zip(stuck, out, strict=True))
        if all(np.array_equal(k, s) for k, s in zip(kept, stuck, strict=True)):
            break
        stuck = kept
    return here


def _outward(
    objective: Share | _Whole,
    at: Point,
    lower: Point,
    upper: Point,
    taken: tuple[Mask | None, ...],
    matrix: Floats | None,
) -> tuple[Mask, ...]:
    """The entries at a bound that the objective would move beyond it.

    taken : of each simplex the entries that are fixed, None of other parameters.
    """
    slopes = objective.slopes(at, False).gradient
    slopes = tuple(
        g if fixed is None else g - _multiplier(g, x, x <= a, x >= b, fixed)
        for g, x, a, b, fixed in zip(slopes, at, lower, upper, taken, strict=True)
    )
    if matrix is not None:
        flat = matrix @ (matrix.T @ np.concatenate([np.ravel(g) for g in slopes]))
        ends = np.cumsum([np.size(g) for g in slopes])[:-1]
        slopes = tuple(p.reshape(np.shape(g))
                       for p, g in zip(np.split(flat, ends), slopes, strict=True))  # fmt: skip
    return tuple(
        ((x <= a) & (g <= 0.0)) | ((x >= b) & (g >= 0.0))
        for x, a, b, g in zip(at, lower, upper, slopes, strict=True)
    )


def _multiplier(slope: Floats, x: Floats, low: Mask, high: Mask, fixed: Mask) -> Floats:
    """What the sum of each row of a simplex costs: the slope of its entries between bounds.

    slope, x : (..., K); low, high : entries at a bound. Returns (..., 1). With none between them,
    what is halfway between the steepest at a lower bound and the least steep at an upper one.
    """
    between = ~(low | high | fixed) & (x > 0.0)
    weight = np.where(between, x, 0.0)
    total = weight.sum(axis=-1, keepdims=True)
    inner = np.where(between, slope, 0.0)
    mean = (weight * inner).sum(axis=-1, keepdims=True) / np.where(total > 0.0, total, 1.0)
    first = np.max(slope, axis=-1, keepdims=True, where=low & ~fixed, initial=-np.inf)
    last = np.min(slope, axis=-1, keepdims=True, where=high & ~low & ~fixed, initial=np.inf)
    first = np.where(np.isfinite(first), first, last)
    last = np.where(np.isfinite(last), last, first)
    with np.errstate(invalid="ignore"):
        found: Floats = np.where(total > 0.0, mean, 0.5 * (first + last))
    return found


def _cut(
    objective: Share | _Whole, start: Point, found: Point, lower: Point, upper: Point
) -> tuple[Point, tuple[Mask, ...] | None]:
    """The way to what was found as far as the bounds allow, and which entries end it there."""
    before = np.asarray(objective.value(start))
    batch = before.ndim
    part = np.ones(before.shape)
    for x, y, a, b in zip(start, found, lower, upper, strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(y < a, (a - x) / (y - x), np.where(y > b, (b - x) / (y - x), 1.0))
        part = np.minimum(part, room.min(axis=tuple(range(batch, room.ndim))))
    if (part >= 1.0).all():
        return found, None
    for _ in range(_HALVINGS):
        point = tuple(
            np.where(_over(part, x) >= 1.0, y, np.clip(x + _over(part, x) * (y - x), a, b))
            for x, y, a, b in zip(start, found, lower, upper, strict=True)
        )
        worse = ~(objective.value(point) >= before)
        if not np.any(worse):
            break
        part = np.where(worse, 0.5 * part, part)
    else:
        return start, None
    reached = tuple(
        ((x <= a) & (y < a)) | ((x >= b) & (y > b)) | _near(x, y, a, b)
        for x, y, a, b in zip(point, found, lower, upper, strict=True)
    )
    return point, reached


def _near(x: Floats, y: Floats, a: Floats, b: Floats) -> Mask:
    """Entries on their way beyond a bound that rounding left just inside it."""
    with np.errstate(invalid="ignore"):
        low = (y < a) & (x - a <= 1e-12 * np.maximum(1.0, np.abs(a)))
        high = (y > b) & (b - x <= 1e-12 * np.maximum(1.0, np.abs(b)))
    return np.asarray(low | high)


def _over(part: Floats, x: Floats) -> Floats:
    """A number for each problem, laid over its entries."""
    return part.reshape(part.shape + (1,) * (x.ndim - part.ndim))
