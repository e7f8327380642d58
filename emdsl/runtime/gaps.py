"""Missing cells of real data, integrated out: rows that have some cells of a normal's and not all.

The rows go through the engine filled in, with their missing cells t_m = 0 somewhere in the data's
middle. As a function of its cells t a row's log joint, for each value of the latents, is

    q(t) = q(0) + g't + t'Ht        P = -2 H_mm,   b = g_m + 2 H_mo t_o

so what the filled-in row lacks is added to it: to its log joint the integral's own part

    log integral exp(q(t_o, t_m) - q(t_o, 0)) dt_m = (b'P^-1 b - log det P + M log 2 pi) / 2

and to its features f(t_o, 0) the rest of their posterior mean, with E[t_m] = P^-1 b and
Var[t_m] = P^-1 (Little and Rubin, Statistical Analysis with Missing Data (2019), section 11.2, is
the case of one normal). Rows without gaps notice nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.feature_columns import distinct_columns
from emdsl.runtime.filling import Filling
from emdsl.runtime.improper import ImproperError
from emdsl.runtime.patterns import KINDS, Conditionals, Ints, Patterns
from emdsl.runtime.program import Coefficients, Features, Floats, Gaps, Layout, Params
from emdsl.runtime.quadratics import (
    Cell,
    Quadratic,
    number_of_points,
    on_grid,
    powers_of_two,
    quadratics,
)

if TYPE_CHECKING:
    from emdsl.runtime.pieces import PieceData


_WIDE = 2**23  # numbers in the second moments of rows that share no coefficients
_EPS = float(np.finfo(np.float64).eps)
_LOST = 1e-2  # of a row's log density: parts that cancel leave no more digits
_FAR = 4.0  # steps from the centre at which another centre is better


@dataclass(slots=True)
class _Solved:
    """The posterior of missing cells under some parameters, None where they have drawn values.

    `linear` (K, V, contexts) are the first-order coefficients for the K values of the host.
    """

    params: Params | None
    linear: Floats
    posterior: Conditionals | None = None
    block: tuple[int, int] = (-1, -1)
    found: tuple[Floats, Floats] | None = None  # of that block: means (K, V, b), evidence (K, b)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The R rows with missing cells, as functions of the cells: see `quadratics`.

    `which` (R,) are their numbers, `known` (V, R) what t is where it is known, `context` (R,) which
    first-order coefficients each has; the kinds of `patterns` are which second-order ones.
    """

    which: Ints
    cells: list[Cell]
    step: Floats
    centre: Floats
    known: Floats
    context: Ints
    patterns: Patterns
    quadratics: dict[int, Quadratic]


@dataclass(slots=True)
class GapData:
    """One group of arrays of a piece with its incomplete rows."""

    gaps: Gaps
    data: PieceData
    filling: Filling
    layout: Layout
    pivot: Params
    dims: tuple[int, ...]  # how many values each of the host's latents has
    drawn: Floats | None = None  # (V, rows): values to start from, in steps
    direct: Floats | None = None  # what the last E-step adds to the direct terms' sums
    _rows: _Rows | None = None
    _solved: _Solved | None = None
    _which: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.intp))

    def __post_init__(self) -> None:
        self._which = np.flatnonzero(self.filling.missing.any(axis=0))

    @property
    def states(self) -> int:
        return math.prod(self.dims)

    # -- the rows --

    @property
    def rows(self) -> _Rows:
        """The incomplete rows; their features are looked at when first wanted."""
        if self._rows is None:
            self._rows = self._expanded()
        return self._rows

    def _expanded(self) -> _Rows:
        """The cells taken as variables are all, or those that are ever missing: what is less."""
        fill, which = self.filling, self._which
        data = self.data
        base = {k: v[..., which] if k in data.along else v for k, v in data.arrays.items()}
        ever = np.flatnonzero(fill.missing.any(axis=1))
        every = np.arange(len(fill.cells))
        wide = self._contexts(base, every)
        if number_of_points(len(every)) * len(wide[0]) <= number_of_points(len(ever)) * len(which):
            free, (first, context) = every, wide
        else:
            free, (first, context) = ever, self._contexts(base, ever)
        cells = [fill.cells[i] for i in free]
        centre, step = fill.centre[free], fill.step[free]
        contexts = {k: v[..., first] if k in data.along else v for k, v in base.items()}
        clusters = (-1, *(c for c, _ in self.gaps.clusters))
        found, kind = quadratics(
            self._features, contexts, data.along, cells, centre, step, clusters
        )
        missing = fill.missing[free][:, which]
        seen = fill.seen[free][:, which]
        values = np.stack([base[n].reshape(-1, len(which))[i] for n, i in cells])
        known = np.where(seen, (values - centre[:, None]) / step[:, None], 0.0)
        patterns = Patterns.of(missing, kind[context])
        return _Rows(which, cells, step, centre, known, context, patterns, found)

    def _contexts(self, base: Mapping[str, NDArray[Any]], free: Ints) -> tuple[Ints, Ints]:
        """The first of the rows that are alike but for free cells, and which each is like."""
        own: dict[str, set[int]] = {}
        for i in free:
            name, place = self.filling.cells[i]
            own.setdefault(name, set()).add(place)
        count = len(self._which)
        parts = [np.zeros((1, count))]
        for name in sorted(self.data.along):
            flat = base[name].reshape(-1, count)
            kept = [i for i in range(len(flat)) if i not in own.get(name, ())]
            parts.append(flat[kept].astype(np.float64))
        return distinct_columns(np.concatenate(parts))

    def _features(self, block: Mapping[str, NDArray[Any]]) -> Features:
        return self.data.piece.features(block, self.layout, self.pivot)

    # -- under given parameters --

    def solve(self, params: Params | None, *, exact: bool = True) -> None:
        """Find the posteriors under these parameters, once; None: of the values drawn, if any.

        Raises ImproperError where no digits are left of a log density that must be `exact`.
        """
        if self._solved is not None and self._solved.params is params:
            return
        if params is None:
            self._solved = _Solved(None, np.zeros((self.states, 1, 1)))
            return
        rows = self.rows
        known = self.data.piece.coefficients(params, self.layout, self.pivot)
        count = len(rows.cells)
        linear: Floats = np.zeros((self.states, count, 1))
        square: Floats = np.zeros((self.states, count, count, 1))
        for c, q in rows.quadratics.items():
            own = self._coefficients(known, c, q.active)
            if exact and np.any(_EPS * (np.abs(own) @ q.size) > _LOST):
                names = " and ".join(self.gaps.arrays)
                raise ImproperError(
                    f"{names}: so far from zero for the spread that the missing cells' log density "
                    "has no digits left: subtract a constant from the data"
                )
            linear = linear + self._spread(c, np.tensordot(own, q.slope, 1))
            square = square + self._spread(c, np.tensordot(own, q.bend, 1))
        posterior = Conditionals(rows.patterns, square, rows.step)
        self._solved = _Solved(params, linear, posterior)

    def _coefficients(self, known: Coefficients, cluster: int, active: Ints) -> Floats:
        own: Floats = known[cluster + 1]
        return own[active][None] if cluster < 0 else own[:, active]

    def _block(self, start: int, stop: int) -> tuple[slice, Floats, Floats]:
        """The incomplete rows of a block: their numbers here, means (K, V, b), evidence (K, b)."""
        solved = self._solved
        assert solved is not None
        low, high = np.searchsorted(self._which, (start, stop))
        here = slice(int(low), int(high))
        if solved.posterior is None:
            drawn = np.zeros((1, len(self._which))) if self.drawn is None else self.drawn
            shape = (self.states, len(drawn), here.stop - here.start)
            mean = np.broadcast_to(drawn[:, here], shape)
            return here, mean, np.zeros((self.states, shape[-1]))
        if solved.block != (here.start, here.stop) or solved.found is None:
            solved.block, solved.found = (here.start, here.stop), self._means(here)
        return here, *solved.found

    def _means(self, here: slice) -> tuple[Floats, Floats]:
        assert self._solved is not None
        assert self._solved.posterior is not None
        linear = self._solved.linear
        if linear.shape[-1] > 1:
            linear = linear[..., self.rows.context[here]]
        numbers = np.arange(here.start, here.stop)
        return self._solved.posterior.means(linear, self.rows.known[:, here], numbers)

    # -- what the engine asks for --

    def evidence(self, start: int, stop: int) -> Floats | None:
        """What the integral adds to a block's log joint, (states..., B); None: no row has gaps."""
        here, _, evidence = self._block(start, stop)
        if here.start == here.stop:
            return None
        out = np.zeros((self.states, stop - start))
        out[:, self._which[here] - start] = evidence
        return out.reshape(*self.dims, -1)

    def sums(self, start: int, stop: int, weight: Floats) -> dict[int, Floats]:
        """What the missing cells add to the expected sums of features, (C, F) by cluster.

        weight : of the host's values (K, B), or (1, B) where no latent is in it: posteriors times
            the rows' weights. What is added to the direct terms' sums is kept apart, in `direct`.
        """
        here, mean, _ = self._block(start, stop)
        assert self._solved is not None
        if here.start == here.stop or (self._solved.posterior is None and self.drawn is None):
            return {}
        rows = self.rows
        own = np.broadcast_to(weight, (self.states, stop - start))[:, self._which[here] - start]
        first = own[:, None] * mean
        out: dict[int, Floats] = {}
        for c, q in rows.quadratics.items():
            if not len(q.active):
                continue
            if q.slope.shape[-1] == 1:
                part = first.sum(axis=-1) @ q.slope[..., 0].T
            else:
                slope = q.slope[..., rows.context[here]]
                part = np.tensordot(first, slope, ((1, 2), (1, 2)))
            out[c] = self._gathered(c, part)
        for which, second in self._seconds(here, own, first, mean):
            for c, q in rows.quadratics.items():
                if len(q.active):
                    bend = q.bend[..., which] if q.bend.shape[-1] > 1 else q.bend
                    more = np.tensordot(second, bend, ((1, 2, 3), (1, 2, 3)))
                    out[c] = out[c] + self._gathered(c, more)
        found: dict[int, Floats] = {}
        for c, q in rows.quadratics.items():
            if c in out:
                size = self._features_of(c)
                found[c] = np.zeros((len(out[c]), size))
                found[c][:, q.active] = out[c]
        if -1 in found:
            direct = found.pop(-1)[0]
            self.direct = direct if self.direct is None else self.direct + direct
        return found

    def added(
        self, sums: tuple[Floats, ...], start: int, stop: int, weight: Floats
    ) -> tuple[Floats, ...]:
        """Expected sums of all clusters' features with what the missing cells add."""
        more = self.sums(start, stop, weight)
        return tuple(s + more[c] if c in more else s for c, s in enumerate(sums))

    def _features_of(self, cluster: int) -> int:
        return int(self.data.kinds[cluster].shape[0]) if cluster >= 0 else self.data.width

    def _seconds(
        self, here: slice, weight: Floats, first: Floats, mean: Floats
    ) -> Iterator[tuple[Ints, Floats]]:
        """sum w (E[t t'] - t t' as filled in), (K, V, V, kinds), for some kinds at a time."""
        assert self._solved is not None
        posterior = self._solved.posterior
        numbers = np.arange(here.start, here.stop)
        known, kind = self.rows.known[:, here], self.rows.patterns.kind[here]
        kinds = np.unique(kind)
        if len(kinds) <= KINDS:
            for i in kinds:
                own = slice(None) if len(kinds) == 1 else np.flatnonzero(kind == i)
                cross = first[..., own] @ known[:, own].T
                total = first[..., own] @ np.swapaxes(mean[..., own], -1, -2)
                total += cross + np.swapaxes(cross, -1, -2)
                if posterior is not None:
                    total += posterior.total(numbers[own], weight[:, own])
                yield np.array([i]), total[..., None]
            return
        width = max(1, _WIDE // (self.states * len(known) ** 2))
        for low in range(0, len(kind), width):
            own = slice(low, low + width)
            cross = first[:, :, None, own] * known[:, own]
            each = first[:, :, None, own] * mean[:, None, :, own]
            each += cross + np.swapaxes(cross, 1, 2)
            if posterior is not None:
                each += weight[:, None, None, own] * posterior.covariances(numbers[own])
            yield kind[own], each

    def cells(self, start: int, stop: int, weight: Floats) -> tuple[Ints, Floats, Floats]:
        """The block's incomplete rows, and their cells' means and variances (V, b).

        weight : the posterior of the host's values, (K, B) or (1, B).
        """
        here, mean, _ = self._block(start, stop)
        assert self._solved is not None
        assert self._solved.posterior is not None
        rows, which = self.rows, self._which[here]
        own = np.broadcast_to(weight, (self.states, stop - start))[:, which - start]
        square = self._solved.posterior.variances(np.arange(here.start, here.stop))
        average = np.einsum("kb,kvb->vb", own, mean)
        apart = np.einsum("kb,kvb->vb", own, square + (mean - average) ** 2)
        step = rows.step[:, None]
        return which, rows.centre[:, None] + step * average, step**2 * apart

    # -- states of the host and of other clusters --

    def _dims_of(self, cluster: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """How many values a cluster's latents have, and their places among the host's."""
        places = dict(self.gaps.clusters).get(cluster, ())
        return tuple(self.dims[p] for p in places), places

    def _spread(self, cluster: int, value: Floats) -> Floats:
        """(C, ...) of a cluster's values as (K, ...) of the host's."""
        dims, places = self._dims_of(cluster)
        rest = value.shape[1:]
        order = [int(i) for i in np.argsort(places)]
        whole = value.reshape(*dims, *rest).transpose(
            *order, *range(len(dims), len(dims) + len(rest))
        )
        shape = [self.dims[i] if i in places else 1 for i in range(len(self.dims))]
        wide = np.broadcast_to(whole.reshape(*shape, *rest), (*self.dims, *rest))
        return wide.reshape(self.states, *rest)

    def _gathered(self, cluster: int, value: Floats) -> Floats:
        """(K, F) of the host's values, added up to (C, F) of a cluster's."""
        _, places = self._dims_of(cluster)
        others = tuple(i for i in range(len(self.dims)) if i not in places)
        found = value.reshape(*self.dims, -1).sum(axis=others)
        ranks = [int(i) for i in np.argsort(np.argsort(places))]
        out: Floats = found.transpose(*ranks, len(places)).reshape(-1, value.shape[-1])
        return out

    # -- where missing cells are filled in --

    def draw(self, rng: np.random.Generator | None) -> None:
        """Values to start from, as far apart as the data; None: the middle of each column."""
        self._solved = None
        self.drawn = None
        if rng is not None:
            missing = self.rows.patterns.missing
            self.drawn = np.where(missing, rng.standard_normal(missing.shape), 0.0)

    def moved(self, params: Params) -> Filling | None:
        """A better filling for cells far from the centre under parameters; None: it is good."""
        self.solve(params, exact=False)
        assert self._solved is not None
        assert self._solved.posterior is not None
        rows, missing = self.rows, self.rows.patterns.missing
        mean, _ = self._means(slice(0, len(self._which)))
        square = self._solved.posterior.variances(np.arange(len(self._which)))
        count = np.maximum(missing.sum(axis=1), 1) * self.states
        at = mean.sum(axis=(0, 2)) / count
        spread = (square + np.where(missing, mean - at[:, None], 0.0) ** 2).sum(axis=(0, 2))
        spread = np.sqrt(spread / count)
        ever = missing.any(axis=1)
        self._solved = None
        far = ever & ((np.abs(at) > _FAR) | (spread > _FAR) | (spread < 1.0 / _FAR**2))
        if not far.any():
            return None
        fill = self.filling
        centre, step = fill.centre.copy(), fill.step.copy()
        for i in np.flatnonzero(far):
            whole = fill.cells.index(rows.cells[i])
            step[whole] = powers_of_two(np.asarray(rows.step[i] * spread[i]))
            centre[whole] = on_grid(rows.centre[i] + rows.step[i] * at[i], step[whole])
        return Filling(fill.cells, fill.missing, fill.seen, centre, step)


def gaps_of(data: PieceData, layout: Layout, pivot: Params) -> tuple[GapData, ...]:
    """The groups of a piece's arrays that have missing cells."""
    out = []
    for gaps, filling in zip(data.piece.gaps, data.fillings, strict=True):
        if filling is None or not filling.missing.any():
            continue
        host = data.piece.clusters[gaps.host] if gaps.host >= 0 else ()
        dims = tuple(layout.sizes[d] if isinstance(d, str) else d for d in host)
        filling.measure(max([0.0, *(float(np.abs(x).max(initial=0.0)) for x in pivot.values())]))
        out.append(GapData(gaps, data, filling, layout, pivot, dims))
    return tuple(out)
