"""Numeric blocks of an M-step: a share of Q in sums over rows and statistics, and its maximum."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdsl.runtime.confined import climb_within, rules_of
from emdsl.runtime.diagnosis import at_zero
from emdsl.runtime.diagnosis_by_group import diagnose_by_group
from emdsl.runtime.footing import at_a_wall, with_footing
from emdsl.runtime.newton import LARGE, LARGEST, TOL, Rough, diagnose, maximise
from emdsl.runtime.numerics import ones
from emdsl.runtime.objective import Floats, Point, Slopes
from emdsl.runtime.program import Dim, Params, Rows, Statistics
from emdsl.runtime.tied import Arms, Tied, Ties, arms_of

if TYPE_CHECKING:
    from emdsl.runtime.deviations import Deviations

FEW = 3  # steps in one M-step: a generalised EM step is enough
ALL = 200  # where nothing is latent, the M-step is the whole fit
_DECADES = tuple(10.0**j for j in range(-9, 10, 1) if j)
_LEAST = 1e-9  # and its inverse: how far to look
_WORTH = 0.5  # of the value at a start, for one in another unit
_MANY = 8_000  # rows from which some of them are looked at first
_EACH = 4  # rows for each unknown at the least, where a part stands for all
_PLENTY = 300  # of which a Hessian has next to no noise
_MORE_EACH, _MORE = 12, 0.25  # where unknowns are correlated, and of all at the most
_LONG = 2e5  # rows times unknowns from which a pass takes far longer than what surrounds it
_START, _START_EACH = 1 / 32, 20  # of all rows, to look for a start on, and for each unknown
_HESSIAN = 4.0  # of all rows for each unknown: their Hessian costs less than the gradient of all
_NARROW = 32  # unknowns up to which it is the rows that count, and not the products
_MOST = 0.5  # of all rows: more are not worth leaving the others out
_CHEAP = 16  # unknowns whose Hessian costs twice what a gradient does
_LOOK, _LOOK_EACH = 500, 2  # rows to see that all is well, and for each unknown
_SMALL = 2**18  # products of a Hessian that are done in no time
_NEAR = 1e-4  # how near to its own maximum a part is climbed, of its value


@dataclass(frozen=True, slots=True)
class RowSum:
    """Sums over the rows of a piece, weighted with the posterior of some of a cluster's latents.

    `dims` are the numbers of values of the cluster's latents (none: cluster -1, rows without a
    latent), `kept` which of them the weights are by. Each function is
    `(block, weights (values..., B), params, layout, pivot, ...)`, its result additive over blocks:
    `value`, and `slopes(..., second)` with the value, the gradient and the Hessian (or None).
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
    params, second)` are the share of Q in the statistics, `rows` that in sums over rows. `corners`
    are absolute deviations that stand beside them, and are in neither. `ties` are, for each of the
    Hessian's upper blocks, pairs of own axes between which it is zero unless they are the same: the
    blocks are without these zeros, the axes that tie first. `walls` are conditions in words beyond
    which the share is minus infinity.
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
    corners: tuple[Deviations, ...] = ()
    ties: Ties = ()
    walls: tuple[str, ...] = ()


def climb(
    block: Numeric, statistics: Statistics, values: Mapping[str, Any], unit: Any = 1.0
) -> tuple[Floats, ...]:
    """The block's parameters at a higher Q, or at its maximum after enough steps.

    values : every parameter the block's functions take, its own where they are now.
    unit : a positive factor that the functions leave out, at the newest values there are. What is
        too little to matter is so in the units of the log likelihood, whatever those of the data.
    """
    share = Share(block, statistics, values, unit=unit)
    if block.corners:
        if block.walls and statistics.thorough and rules_of(share) is None:
            begun = share.stored(with_footing(share, share.start()))
            given = {**values, **dict(zip(block.params, begun, strict=True))}
            share = Share(block, statistics, given, unit=unit)
        from emdsl.runtime.cornered import climb_cornered

        return climb_cornered(share)
    if statistics.notes is not None:
        statistics.notes.extend(at_a_wall(share) or share.wrong())
        return share.stored(share.start())
    if not statistics.thorough:
        return share.stored(share.climb(share.start(), block.steps))
    start = share.start()
    few = None if block.walls else share.few()  # every row has to be within its walls
    one = share if block.walls else few or (*share.samples(), share)[0]
    if share.arms() is None and one.unknowns <= LARGEST:
        one.remember(one.zero())
    begun = one.scanned(with_footing(one, one.higher(start, one.zero())))
    if few is not None:
        begun = few.others().higher(begun, few.climb(begun, ALL))
    found = share.climb(begun, ALL)
    if share.unmoved(begun, found) and not share.unmoved(begun, start):
        found = share.higher(found, share.climb(start, ALL))
    return share.stored(found)


def live_sum(rows: RowSum, statistics: Statistics, values: Mapping[str, Any]) -> Floats:
    """A statistic with parameters in it, at their values."""
    return np.asarray(sum_rows(rows, rows.value, statistics, values))


class Share:
    """A block's share of Q as an `Objective`."""

    def __init__(
        self,
        block: Numeric,
        statistics: Statistics,
        values: Mapping[str, Any],
        whole: Share | None = None,
        every: tuple[int, int] = (0, 1),
        unit: Any = 1.0,
    ) -> None:
        """`whole` is what this stands for: its rows from one on, each so-many-th."""
        self.block = block
        self.statistics = statistics
        self.values = dict(values)
        self.unit = float(unit) if 0.0 < unit < np.inf else 1.0
        self.whole, self.every = whole, every
        self.count = sum(a.width for r in block.rows for a, _ in self._blocks(r))
        self._start: Point = tuple(
            np.asarray(self.values[n], dtype=np.float64).transpose(p)
            for n, p in zip(block.params, block.places, strict=True)
        )
        self._parts: dict[tuple[int, int], Share] = {}

    def _blocks(self, rows: RowSum) -> tuple[Rows, ...]:
        return self.statistics.rows.get((rows.piece, rows.cluster), ())

    @property
    def unknowns(self) -> int:
        """How many each problem has."""
        start = self.start()
        problems = math.prod(start[0].shape[: self.block.batch])
        return sum(x.size for x in start) // max(problems, 1)

    @property
    def is_small(self) -> bool:
        """Whether a Hessian takes no longer than what it takes to ask for it."""
        return sum(x.size for x in self.start()) * self.unknowns * self.count <= _SMALL

    def arms(self) -> Arms | None:
        """The groups that unknowns go by, where these are too many for a Hessian of all."""
        if not self.block.ties or self.unknowns <= LARGE:
            return None
        blocks = sum(len(self._blocks(r)) for r in self.block.rows)
        return arms_of(self._own(), self.block.ties, self.block.kinds, blocks)

    def _own(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each parameter in one problem."""
        return tuple(x.shape[self.block.batch :] for x in self.start())

    def few(self) -> Share | None:
        """Rows enough to find out roughly where the maximum is; None where it takes too many."""
        wanted = max(_START * self.count, _START_EACH * self.unknowns)
        cost = wanted * (1.0 + self.unknowns / _CHEAP)
        if cost >= _MOST * self.count or self.count * self.unknowns < _LONG:
            return None
        return self._some(wanted)

    def samples(self, each: int = 0) -> tuple[Share, ...]:
        """Rows enough for a Hessian that is nearly right, in halves that tell how nearly.

        each : rows for each unknown at the least. Not in halves where they are very many; none
            where it takes nearly all.
        """
        n = self.unknowns
        if self.arms() is not None:
            return ()  # it takes little more than a gradient
        wanted = each * n or max(_HESSIAN * self.count / max(n, _NARROW), _EACH * n)
        step = self._step(wanted)
        if step is None:
            return ()
        if wanted > _PLENTY * n:
            return (self.part(0, step),)
        return self.part(0, 2 * step), self.part(step, 2 * step)

    def rough(self) -> Rough | None:
        """The Hessian of a sample; of a larger one where that is worth it."""

        def of(some: tuple[Share, ...], wider: Callable[[], Rough | None] | None) -> Rough:
            return Rough(some, sum(s.count for s in some) / self.count, wider)

        def wider() -> Rough | None:
            more = self.samples(_MORE_EACH)
            return of(more, None) if more and more[0].count > some[0].count else None

        some = self.samples()
        worth = _MORE_EACH * self.unknowns < _MORE * self.count
        return of(some, wider if worth else None) if some else None

    def others(self) -> Share:
        """As many rows as here, but other ones."""
        first, step = self.every
        assert self.whole is not None
        return self.whole.part(first + step // 2, step)

    def _some(self, wanted: float) -> Share | None:
        """So many rows; None where that is nearly all."""
        step = self._step(wanted)
        return None if step is None else self.part(0, step)

    def _step(self, wanted: float) -> int | None:
        """Every which row makes so many; a part isn't taken apart again."""
        if self.whole is not None or self.statistics.thin is None:
            return None
        if self.count < _MANY or wanted > _MOST * self.count:
            return None
        return int(self.count / wanted)

    def part(self, first: int, step: int) -> Share:
        """Rows from one on, each so-many-th, in place of all."""
        if (first, step) not in self._parts:
            assert self.statistics.thin is not None
            some = self.statistics.thin(first, step)
            part = Share(self.block, some, self.values, self, (first, step), self.unit)
            self._parts[first, step] = part
        return self._parts[first, step]

    def climb(self, start: Point, steps: int) -> Point:
        block = self.block
        rules = rules_of(self)
        if rules is not None:
            return climb_within(self, start, steps, rules)
        tol = TOL if self.whole is None else _NEAR
        rough = self.rough() if steps == ALL else None
        return maximise(self, start, block.kinds, block.batch, steps=steps, shift=block.shift,
                        rough=rough, tol=tol, cheap=self.is_small, final=steps == ALL,
                        arms=self.arms())  # fmt: skip

    def wrong(self) -> tuple[str, ...]:
        """What is wrong with a maximum here: entries not determined, or without a finite value."""
        block = self.block
        arms = self.arms()
        if arms is not None and not any(a is not None for a in block.shift or ()):
            return diagnose_by_group(
                self, self.start(), block.kinds, block.params, block.batch, arms
            )
        least = _LOOK_EACH * self.unknowns
        wanted = max(_LOOK, least)
        known = self.samples()[:1]  # where all is zero
        near = known and least <= known[0].count < 2 * wanted
        some = known[0] if near else self._some(wanted)
        if some is not None and not some.wrong():  # nor of all, then
            return ()
        return diagnose(
            self, self.start(), block.kinds, block.params, block.batch, shift=block.shift
        )

    def zero(self) -> Point:
        """Real parameters at zero, where predictors don't overflow."""
        start = self.start()
        if rules_of(self) is not None:
            return start  # which obeys them
        return at_zero(start, self.block.kinds, None)

    def higher(self, one: Point, other: Point, part: float = 0.0) -> Point:
        """For each problem the other point if it is better, by more than a part of the value."""
        if self.unmoved(one, other):
            return one
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
        return self._start

    def stored(self, point: Point) -> Point:
        """Parameters with their dimensions in the declared order."""
        return tuple(np.array(self.declared(x, i), order="C") for i, x in enumerate(point))

    def declared(self, x: Any, i: int) -> Any:
        """An array of one parameter, batch axes first, with its dimensions as declared."""
        return x.transpose(_inverse(self.block.places[i]))

    def _at(self, point: Point) -> Params:
        own = (np.ascontiguousarray(self.declared(x, i)) if x.ndim > 1 else x
               for i, x in enumerate(point))  # fmt: skip
        return {**self.values, **dict(zip(self.block.params, own, strict=True))}

    def remember(self, point: Point) -> None:
        """Keep the value, the gradient and the Hessian at a point that will be asked for again.

        As where nothing is known: climbs begin there, and ends are compared with it.
        """
        if self.statistics.found is not None:
            self.statistics.found.setdefault(self._key(self._at(point)), self.slopes(point, True))

    def _key(self, params: Params) -> bytes:
        names = ",".join(self.block.params).encode()
        unit = np.float64(self.unit).tobytes()
        return b"".join([names, unit, *(np.asarray(params[n]).tobytes() for n in sorted(params))])

    def _remembered(self, params: Params) -> Slopes | None:
        found = self.statistics.found
        return found.get(self._key(params)) if found else None

    def value(self, point: Point) -> Floats:
        params = self._at(point)
        known = self._remembered(params)
        if known is not None and known.value is not None:
            return known.value
        total = np.asarray(self.block.objective(self.statistics, params), dtype=np.float64)
        for rows in self.block.rows:
            total = total + sum_rows(rows, rows.value, self.statistics, params)
        return np.asarray(self.unit * total)

    def slopes(self, point: Point, second: bool) -> Slopes:
        params = self._at(point)
        known = self._remembered(params)
        if known is not None:
            return known
        first, upper = self.block.slopes(self.statistics, params, second)
        value = np.asarray(self.block.objective(self.statistics, params), dtype=np.float64)
        gradient, pairs = list(first), list(upper or ())
        for rows in self.block.rows:
            assert rows.slopes is not None
            found = sum_rows(rows, rows.slopes, self.statistics, params, second)
            if isinstance(found, tuple):  # there are rows
                total, more, both = found
                value = value + total
                gradient = [a + b for a, b in zip(gradient, more, strict=True)]
                pairs = [a + b for a, b in zip(pairs, both or (), strict=True)]
        if self.unit != 1.0:
            value = self.unit * value
            gradient, pairs = [self.unit * g for g in gradient], [self.unit * h for h in pairs]
        first, value = tuple(gradient), np.asarray(value)
        if not second:
            return Slopes(first, None, value)
        if not self.block.ties:
            return Slopes(first, self._square(pairs), value)
        tied = Tied(tuple(pairs), self.block.ties, self._own(), self.block.batch)
        if self.unknowns > LARGE:
            return Slopes(first, None, value, tied)
        return Slopes(first, tied.grid(), value)

    def _square(self, upper: list[Floats]) -> tuple[tuple[Floats, ...], ...]:
        """The whole Hessian of its upper blocks."""
        count = len(self.block.params)
        grid: list[list[Any]] = [[None] * count for _ in range(count)]
        turns = _turns(self.block.batch, tuple(len(p) for p in self.block.places))
        for (i, j, axes), block in zip(turns, upper, strict=True):
            grid[i][j] = block
            if i != j:
                grid[j][i] = np.asarray(block).transpose(axes)
        return tuple(tuple(row) for row in grid)


@functools.cache
def _turns(batch: int, ranks: tuple[int, ...]) -> tuple[tuple[int, int, tuple[int, ...]], ...]:
    """The upper blocks of a Hessian, and the axes that make a lower one of each."""
    own = [r - batch for r in ranks]
    found = []
    for i in range(len(own)):
        for j in range(i, len(own)):
            rows = range(batch, batch + own[i])
            columns = range(batch + own[i], batch + own[i] + own[j])
            found.append((i, j, (*range(batch), *columns, *rows)))
    return tuple(found)


@functools.cache
def _inverse(places: tuple[int, ...]) -> tuple[int, ...]:
    """Where each of the places is."""
    return tuple(sorted(range(len(places)), key=places.__getitem__))


def sum_rows(
    rows: RowSum,
    function: Callable[..., Any],
    statistics: Statistics,
    params: Mapping[str, Any],
    *more: Any,
) -> Any:
    """What a function gives, added up over the blocks of rows; 0.0 where there are none."""
    total: Any = None
    for part in each_block(rows, function, statistics, params, *more):
        total = part if total is None else _added(total, part)
    return 0.0 if total is None else total


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
        shaped = _weights(weights, dims, rows.kept, arrays.width)
        yield function(arrays, shaped, params, statistics.layout, statistics.pivot, *more)


def _weights(
    weights: Floats | None, dims: tuple[int, ...], kept: tuple[int, ...], width: int
) -> Floats:
    if weights is None:
        return ones((width,))
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
