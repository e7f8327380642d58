"""A numeric block under constraints: Newton's method on what they leave.

Held entries stay; ties and linear equations are a restriction of the unconstrained coordinates, of
one problem made of all that the block has; bounds are kept by holding entries at them, one after
another, and letting go of those that Q would move inside. No step lowers Q.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.constraints import System
from emdsl.runtime.held import Held
from emdsl.runtime.newton import diagnose, maximise
from emdsl.runtime.objective import Floats, Objective, Point, Restriction, Slopes

Masks = tuple[NDArray[np.bool_], ...]


@dataclass(frozen=True, slots=True)
class Ruled:
    """What holds of a block's parameters, each in the block's layout, batch axes first."""

    kinds: tuple[str, ...]
    batch: int  # 0 where equations make all problems one
    held: Masks
    lower: Point
    upper: Point
    restriction: Restriction | None

    def climb(self, objective: Objective, start: Point, steps: int) -> Point:
        """A point of a higher Q at which the constraints hold, the maximum after enough steps."""
        share = _Whole(objective, self.batch) if self.restriction is not None else objective
        batch = 0 if self.restriction is not None else self.batch
        if not self._bounded():
            return self._free(share, start, batch, self.held, steps)
        return self._within(share, start, batch, steps)

    def wrong(self, objective: Objective, at: Point, names: tuple[str, ...]) -> tuple[str, ...]:
        """What is wrong with a maximum here; see `diagnose`."""
        share = _Whole(objective, self.batch) if self.restriction is not None else objective
        batch = 0 if self.restriction is not None else self.batch
        edge = [(x <= a) | (x >= b) for x, a, b in zip(at, self.lower, self.upper, strict=True)]
        held = tuple(m | e for m, e in zip(self.held, edge, strict=True))
        return diagnose(
            share, at, self.kinds, names, batch, held=held, restriction=self.restriction
        )  # fmt: skip

    def _bounded(self) -> bool:
        return any(np.isfinite(b).any() for b in (*self.lower, *self.upper))

    def _free(
        self, objective: Objective, start: Point, batch: int, held: Masks, steps: int
    ) -> Point:
        return maximise(objective, start, self.kinds, batch, steps=steps, held=held,
                        restriction=self.restriction)  # fmt: skip

    def _within(self, objective: Objective, start: Point, batch: int, steps: int) -> Point:
        point = tuple(np.clip(x, a, b) for x, a, b in zip(start, self.lower, self.upper,
                                                          strict=True))  # fmt: skip
        active = self._outward(objective, point)
        for _ in range(4 + 2 * sum(x.size for x in point)):
            held = tuple(m | a for m, a in zip(self.held, active, strict=True))
            found = self._free(objective, point, batch, held, steps)
            inside, reached = self._cut(objective, point, found, batch)
            point = inside
            if reached is not None:
                active = tuple(a | r for a, r in zip(active, reached, strict=True))
                continue
            kept = tuple(a & o for a, o in zip(active, self._outward(objective, point),
                                               strict=True))  # fmt: skip
            if all(np.array_equal(k, a) for k, a in zip(kept, active, strict=True)):
                break
            active = kept
        return point

    def _outward(self, objective: Objective, point: Point) -> Masks:
        """The entries at a bound that Q would move beyond it."""
        slopes = self._pooled(objective.slopes(point, False).gradient)
        return tuple(
            ((x <= a) & (g <= 0.0)) | ((x >= b) & (g >= 0.0))
            for x, a, b, g in zip(point, self.lower, self.upper, slopes, strict=True)
        )

    def _pooled(self, gradient: Point) -> Point:
        """The gradient along the moves that the equations leave: tied entries have its sum."""
        if self.restriction is None:
            return gradient
        matrix = self.restriction.matrix
        flat = np.concatenate([np.ravel(g) for g in gradient])
        moved = matrix @ (matrix.T @ flat)
        ends = np.cumsum([np.size(g) for g in gradient])[:-1]
        return tuple(
            p.reshape(np.shape(g)) for p, g in zip(np.split(moved, ends), gradient, strict=True)
        )

    def _cut(
        self, objective: Objective, start: Point, found: Point, batch: int
    ) -> tuple[Point, Masks | None]:
        """The way to what was found as far as it is within the bounds, and which it ends at."""
        share = np.ones(start[0].shape[:batch])
        for x, y, a, b in zip(start, found, self.lower, self.upper, strict=True):
            with np.errstate(divide="ignore", invalid="ignore"):
                room = np.where(y < a, (a - x) / (y - x), np.where(y > b, (b - x) / (y - x), 1.0))
            share = np.minimum(share, room.min(axis=tuple(range(batch, room.ndim))))
        if (share >= 1.0).all():
            return found, None
        before = objective.value(start)
        for _ in range(40):
            point = tuple(
                np.where(_over(share, x) >= 1.0, y, np.clip(x + _over(share, x) * (y - x), a, b))
                for x, y, a, b in zip(start, found, self.lower, self.upper, strict=True)
            )
            worse = ~(objective.value(point) >= before)
            if not np.any(worse):
                break
            share = np.where(worse, 0.5 * share, share)
        else:
            return start, None
        reached = tuple(
            ((x <= a + 1e-12 * np.abs(a)) & (y < a)) | ((x >= b - 1e-12 * np.abs(b)) & (y > b))
            for x, y, a, b in zip(point, found, self.lower, self.upper, strict=True)
        )
        return point, reached


def _over(share: Floats, x: Floats) -> Floats:
    """A number for each problem, laid over its entries."""
    return share.reshape(share.shape + (1,) * (x.ndim - share.ndim))


class _Whole:
    """A batch of problems as one: their sum, whose Hessian is a diagonal of blocks."""

    def __init__(self, objective: Objective, batch: int) -> None:
        self._each, self._batch = objective, batch

    def value(self, point: Point) -> Floats:
        return np.asarray(self._each.value(point).sum())

    def slopes(self, point: Point, second: bool) -> Slopes:
        found = self._each.slopes(point, second)
        if found.hessian is None or not self._batch:
            return found
        lead = point[0].shape[: self._batch]
        rows = tuple(
            tuple(self._spread(h, lead, x.ndim - self._batch) for h in row)
            for row, x in zip(found.hessian, point, strict=True)
        )
        return Slopes(found.gradient, rows)

    def _spread(self, h: Floats, lead: tuple[int, ...], own: int) -> Floats:
        """(*batch, *own_i, *own_j) as (*batch, *own_i, *batch, *own_j), zero between problems."""
        count = int(np.prod(lead))
        row, column = h.shape[len(lead) : len(lead) + own], h.shape[len(lead) + own :]
        flat = h.reshape(count, int(np.prod(row)), int(np.prod(column)))
        out = np.zeros((count, flat.shape[1], count, flat.shape[2]))
        at = np.arange(count)
        out[at, :, at, :] = flat
        return out.reshape(*lead, *row, *lead, *column)


def ruled(
    names: tuple[str, ...],
    kinds: tuple[str, ...],
    batch: int,
    places: tuple[tuple[int, ...], ...],
    values: Mapping[str, Any],
) -> Ruled | None:
    """The constraints on a block, None where there are none."""
    olds = [values[n] for n in names]
    rules = next((o.rules() for o in olds if isinstance(o, Held)), None)
    if rules is None:
        return None
    index, shift = [], []
    free = -1
    for old, place in zip(olds, places, strict=True):
        if isinstance(old, Held):
            start = rules.spans[old.name].start
            flat = np.arange(start, start + old.size)
        else:
            flat = np.arange(free, free - np.size(old), -1)
            free -= np.size(old)
        moved = old.shifts() if isinstance(old, Held) else np.zeros(np.shape(old))
        index.append(flat.reshape(np.shape(old)).transpose(place))
        shift.append(moved.transpose(place))
    shapes = [i.shape for i in index]
    system = rules.system(np.concatenate([i.ravel() for i in index]),
                          np.concatenate([s.ravel() for s in shift]))  # fmt: skip
    ends = np.cumsum([i.size for i in index])[:-1]

    def parted(flat: NDArray[Any]) -> tuple[Any, ...]:
        return tuple(p.reshape(s) for p, s in zip(np.split(flat, ends), shapes, strict=True))

    support = {"positive": (0.0, np.inf), "unit": (0.0, 1.0)}
    least = np.concatenate([np.full(i.size, support.get(k, (-np.inf, np.inf))[0])
                            for i, k in zip(index, kinds, strict=True)])  # fmt: skip
    most = np.concatenate([np.full(i.size, support.get(k, (-np.inf, np.inf))[1])
                           for i, k in zip(index, kinds, strict=True)])  # fmt: skip
    # the ends of a support are no bounds: coordinates don't reach them
    lower = np.where(system.lower > least, system.lower, -np.inf)
    upper = np.where(system.upper < most, system.upper, np.inf)
    return Ruled(
        kinds, batch, parted(system.held), parted(lower), parted(upper),
        _restriction(system, index, kinds),
    )  # fmt: skip


def _restriction(
    system: System, index: list[NDArray[Any]], kinds: tuple[str, ...]
) -> Restriction | None:
    """The equations on unconstrained coordinates; None where entries are only held or free."""
    matrix = system.matrix
    alone = ((matrix != 0.0).sum(axis=0) == 1) & (matrix.max(axis=0, initial=0.0) == 1.0)
    if alone.all() and matrix.shape[1] == (~system.held).sum():
        return None
    offset = np.array(system.offset)
    sizes = np.cumsum([0, *(i.size for i in index)])
    for kind, start, stop in zip(kinds, sizes, sizes[1:], strict=False):
        held = np.flatnonzero(system.held[start:stop]) + start
        with np.errstate(divide="ignore"):
            if kind == "positive":
                offset[held] = np.log(offset[held])
            elif kind == "unit":
                offset[held] = np.log(offset[held]) - np.log1p(-offset[held])
    finite = np.where(np.isfinite(offset), offset, 0.0)
    return Restriction(finite, matrix)
