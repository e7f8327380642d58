"""Numeric blocks of an M-step: a share of Q in sums over rows and statistics, and its maximum."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emdsl.runtime.confined import climb_within, rules_of
from emdsl.runtime.newton import diagnose, maximise
from emdsl.runtime.objective import Floats, Point, Slopes
from emdsl.runtime.program import Dim, Params, Rows, Statistics

FEW = 3  # steps in one M-step: a generalised EM step is enough
ALL = 100  # where nothing is latent, the M-step is the whole fit
_DECADES = tuple(10.0**j for j in range(-9, 10, 1) if j)
_LEAST = 1e-9  # and its inverse: how far to look
_WORTH = 0.5  # of the value at a start, for one in another unit
_MANY = 20_000  # rows from which a start is first looked for on a part of them
_PARTS = 8  # blocks of rows in that part at the least
_EACH = 40  # rows in it for each unknown
_NEAR = 1e-7  # how near to its own maximum it is climbed, of its value
_TOL = 1e-12


@dataclass(frozen=True, slots=True)
class RowSum:
    """Sums over the rows of a piece, weighted with the posterior of some of a cluster's latents.

    `dims` are the numbers of values of the cluster's latents (none: cluster -1, rows without a
    latent), `kept` which of them the weights are by. Each function is
    `(block, weights (values..., B), params, layout, pivot, ...)`, its result additive over blocks.
    """

    piece: int
    cluster: int
    dims: tuple[Dim, ...]
    kept: tuple[int, ...]
    value: Callable[..., Any]
    slopes: Callable[..., Any] | None = None


@dataclass(frozen=True, slots=True)
class Numeric:
    """A block of parameters that Newton's method solves together.

    Problem and derivative arrays are over the batch axes, then a parameter's own: `places` says
    which of its dimensions these are. `objective(statistics, params)` and `slopes(statistics,
    params, second)` are the share of Q in the statistics, `rows` that in sums over rows.
    """

    params: tuple[str, ...]
    kinds: tuple[str, ...]
    batch: int
    places: tuple[tuple[int, ...], ...]
    steps: int
    objective: Callable[..., Any]
    slopes: Callable[..., Any]
    rows: tuple[RowSum, ...] = ()
    shift: tuple[int | None, ...] | None = None


def climb(block: Numeric, statistics: Statistics, values: Mapping[str, Any]) -> tuple[Floats, ...]:
    """The block's parameters at a higher Q, or at its maximum after enough steps.

    values : every parameter the block's functions take, its own where they are now.
    """
    share = Share(block, statistics, values)
    if statistics.notes is not None:
        statistics.notes.extend(share.wrong())
        return share.stored(share.start())
    if not statistics.thorough:
        return share.stored(share.climb(share.start(), block.steps))
    start = share.start()
    few = share.part() if share.is_large else share
    begun = few.scanned(few.higher(start, share.zero()))
    if few is not share:
        begun = share.higher(begun, few.climb(begun, ALL))
    found = share.climb(begun, ALL)
    if share.unmoved(begun, found) and not share.unmoved(begun, start):
        found = share.higher(found, share.climb(start, ALL))
    return share.stored(found)


def live_sum(rows: RowSum, statistics: Statistics, values: Mapping[str, Any]) -> Floats:
    """A statistic with parameters in it, at their values."""
    total = sum_rows(rows, rows.value, statistics, values)
    return np.asarray(total[0])


class Share:
    """A block's share of Q as an `Objective`."""

    def __init__(self, block: Numeric, statistics: Statistics, values: Mapping[str, Any]) -> None:
        self.block = block
        self.statistics = statistics
        self.values = dict(values)

        self.scale = 1.0  # of sums over rows: those of a part stand for all
        self.count = sum(int(a["block width"]) for r in block.rows for a, _ in self._blocks(r))

    def _blocks(self, rows: RowSum) -> tuple[Rows, ...]:
        return self.statistics.rows.get((rows.piece, rows.cluster), ())

    @property
    def is_large(self) -> bool:
        """Whether some of the rows are worth looking at first; a part isn't taken apart again."""
        return self.count > _MANY and self.scale == 1.0

    @property
    def block_count(self) -> int:
        return sum(len(self._blocks(r)) for r in self.block.rows)

    def part(self) -> Share:
        """The same with some of the rows, in place of all: near enough to start from."""
        unknowns = sum(x.size for x in self.start())
        wanted = max(_PARTS, -(-_EACH * unknowns * self.block_count // max(self.count, 1)))
        few = {key: blocks[:: max(len(blocks) // wanted, 1)]
               for key, blocks in self.statistics.rows.items()}  # fmt: skip
        part = Share(self.block, replace(self.statistics, rows=few), self.values)
        part.scale = max(self.count / part.count, 1.0 + 1e-12)  # a part of a few blocks is all
        return part

    def climb(self, start: Point, steps: int) -> Point:
        block = self.block
        rules = rules_of(self)
        if rules is not None:
            return climb_within(self, start, steps, rules)
        rough = self.part() if steps == ALL and self.is_large else None
        return maximise(
            self,
            start,
            block.kinds,
            block.batch,
            steps=steps,
            shift=block.shift,
            rough=rough,
            tol=_NEAR if self.scale > 1.0 else _TOL,
        )

    def wrong(self) -> tuple[str, ...]:
        """What is wrong with a maximum here: entries not determined, or without a finite value."""
        block = self.block
        if self.is_large and not self.part().wrong():  # nor of all, then
            return ()
        return diagnose(
            self, self.start(), block.kinds, block.params, block.batch, shift=block.shift
        )

    def zero(self) -> Point:
        """Real parameters at zero, where predictors don't overflow."""
        start = self.start()
        if rules_of(self) is not None:
            return start  # which obeys them
        return tuple(
            np.zeros_like(x) if kind == "real" else x
            for x, kind in zip(start, self.block.kinds, strict=True)
        )

    def higher(self, one: Point, other: Point, part: float = 0.0) -> Point:
        """For each problem the other point if it is better, by more than a part of the value."""
        first, second = self.value(one), self.value(other)
        better = second > first + part * (1.0 + np.abs(first))
        better |= ~np.isfinite(first) & np.isfinite(second)
        out = []
        for a, b in zip(one, other, strict=True):
            mask = better.reshape(better.shape + (1,) * (a.ndim - better.ndim))
            out.append(np.where(mask, b, a))
        return tuple(out)

    def scanned(self, start: Point) -> Point:
        """Positive parameters at the best of some powers of ten, one after the other.

        Newton's method begins where the data's unit doesn't make exponentials overflow. A shape
        that hardly matters stays, and none goes to where its functions cancel.
        """
        if rules_of(self) is not None:
            return start
        best = start
        for i, kind in enumerate(self.block.kinds):
            if kind == "positive":
                begun = best
                for factor in _DECADES:
                    moved = begun[i] * factor
                    moved = np.where((moved < _LEAST) | (moved > 1.0 / _LEAST), begun[i], moved)
                    there = (*begun[:i], moved, *begun[i + 1 :])
                    best = self.higher(best, there, _WORTH)
        return best

    def unmoved(self, one: Point, other: Point) -> bool:
        """Whether two points are the same: Newton's method stays at a saddle."""
        return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))

    def start(self) -> Point:
        """Where the block's parameters are, batch axes first."""
        return tuple(
            np.transpose(np.asarray(self.values[n], dtype=np.float64), p)
            for n, p in zip(self.block.params, self.block.places, strict=True)
        )

    def stored(self, point: Point) -> Point:
        """Parameters with their dimensions in the declared order."""
        return tuple(
            np.array(np.transpose(x, np.argsort(p)), order="C")
            for x, p in zip(point, self.block.places, strict=True)
        )

    def declared(self, x: Any, i: int) -> Any:
        """An array of one parameter, batch axes first, with its dimensions as declared."""
        return np.transpose(x, np.argsort(self.block.places[i]))

    def _at(self, point: Point) -> Params:
        own = dict(zip(self.block.params, self.stored(point), strict=True))
        return {**self.values, **own}

    def value(self, point: Point) -> Floats:
        params = self._at(point)
        total = np.asarray(self.block.objective(self.statistics, params), dtype=np.float64)
        for rows in self.block.rows:
            total = total + self.scale * sum_rows(rows, rows.value, self.statistics, params)[0]
        return np.asarray(total)

    def slopes(self, point: Point, second: bool) -> Slopes:
        params = self._at(point)
        first, upper = self.block.slopes(self.statistics, params, second)
        gradient, pairs = list(first), list(upper or ())
        for rows in self.block.rows:
            assert rows.slopes is not None
            more, both = sum_rows(rows, rows.slopes, self.statistics, params, second)
            gradient = [a + self.scale * b for a, b in zip(gradient, more, strict=True)]
            pairs = [a + self.scale * b for a, b in zip(pairs, both or (), strict=True)]
        return Slopes(tuple(gradient), self._square(pairs) if second else None)

    def _square(self, upper: list[Floats]) -> tuple[tuple[Floats, ...], ...]:
        """The whole Hessian of its upper blocks."""
        count, batch = len(self.block.params), self.block.batch
        ranks = [len(p) - batch for p in self.block.places]
        blocks = iter(upper)
        grid: list[list[Any]] = [[None] * count for _ in range(count)]
        for i in range(count):
            for j in range(i, count):
                grid[i][j] = block = next(blocks)
                lead = tuple(range(batch))
                rows = tuple(range(batch, batch + ranks[i]))
                columns = tuple(range(batch + ranks[i], batch + ranks[i] + ranks[j]))
                if i != j:
                    grid[j][i] = np.transpose(block, (*lead, *columns, *rows))
        return tuple(tuple(row) for row in grid)


def sum_rows(
    rows: RowSum,
    function: Callable[..., Any],
    statistics: Statistics,
    params: Mapping[str, Any],
    *more: Any,
) -> tuple[Any, Any]:
    """What a function gives, added up over the blocks of rows; a pair, where it is one."""
    total: Any = None
    for part in each_block(rows, function, statistics, params, *more):
        total = part if total is None else _added(total, part)
    if total is None:
        total = 0.0
    return total if isinstance(total, tuple) else (total, None)


def each_block(
    rows: RowSum,
    function: Callable[..., Any],
    statistics: Statistics,
    params: Mapping[str, Any],
    *more: Any,
) -> Iterator[Any]:
    """What a function gives for each block of rows."""
    sizes = statistics.layout.sizes
    dims = tuple(sizes[d] if isinstance(d, str) else d for d in rows.dims)
    for arrays, weights in statistics.rows.get((rows.piece, rows.cluster), ()):
        shaped = _weights(weights, dims, rows.kept, int(arrays["block width"]))
        yield function(arrays, shaped, params, statistics.layout, statistics.pivot, *more)


def _weights(
    weights: Floats | None, dims: tuple[int, ...], kept: tuple[int, ...], width: int
) -> Floats:
    if weights is None:
        return np.ones(width)
    if not dims:
        return weights
    shaped = weights.reshape(*dims, -1)
    out = tuple(i for i in range(len(dims)) if i not in kept)
    shaped = shaped.sum(axis=out) if out else shaped
    order = sorted(kept)
    places = (*(order.index(k) for k in kept), len(kept))
    return np.transpose(shaped, places)


def _added(one: Any, other: Any) -> Any:
    if isinstance(one, tuple):
        return tuple(_added(a, b) for a, b in zip(one, other, strict=True))
    return one if one is None else one + other
