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
from emdsl.runtime.program import Coefficients, Features, Floats, Gaps, Layout, Params
from emdsl.runtime.quadratics import (
    Cell,
    Ints,
    Quadratic,
    cells_of,
    centres_and_steps,
    number_of_points,
    on_grid,
    powers_of_two,
    quadratics,
)

if TYPE_CHECKING:
    from emdsl.runtime.pieces import PieceData

Masks = NDArray[np.bool_]

_KEPT = 2**23  # numbers in the inverses of all patterns, up to which they are found at once
_FEW = 8  # rows for each pattern from which patterns are gone through one by one
_KINDS = 32  # of second-order coefficients, up to which they are gone through one by one
_FAR = 4.0  # steps from the centre at which another centre is better


@dataclass(slots=True)
class Filling:
    """Where the missing cells of one group of arrays are, and what stands in for them.

    `missing` (V, B) says which cells are, over all entries of the arrays; `centre` and `step` (V,)
    what stands in, and the unit of t.
    """

    cells: list[Cell]
    missing: Masks
    seen: Masks
    centre: Floats
    step: Floats

    @classmethod
    def of(
        cls, names: tuple[str, ...], arrays: Mapping[str, NDArray[Any]], gaps: Mapping[str, Masks]
    ) -> Filling:
        """The missing cells of arrays (entries..., B), about the middle of those there are."""
        cells = cells_of(arrays, names)
        width = arrays[names[0]].shape[-1]
        missing = np.concatenate([
            gaps[n].reshape(-1, width) if n in gaps else
            np.zeros((math.prod(arrays[n].shape[:-1]), width), dtype=np.bool_) for n in names
        ])  # fmt: skip
        seen = np.concatenate([
            np.broadcast_to(arrays.get(f"{n} observed", np.True_), arrays[n].shape)
            .reshape(-1, width) for n in names
        ]) & ~missing  # fmt: skip
        values = np.concatenate([arrays[n].reshape(-1, width) for n in names])
        return cls(cells, missing, seen, *centres_and_steps(values, seen))

    def measure(self, size: float) -> None:
        """Take steps of this size where the data show none: as far as the parameters may be."""
        unknown = ~self.seen.any(axis=1) & (self.centre == 0.0) & (self.step == 1.0)
        self.step = np.where(unknown, powers_of_two(np.asarray(size)), self.step)

    def fill(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The arrays with the centres in missing cells; those changed are copies."""
        out = dict(arrays)
        for name in dict.fromkeys(n for n, _ in self.cells):
            own = [i for i, (n, _) in enumerate(self.cells) if n == name]
            if not self.missing[own].any():
                continue
            flat = arrays[name].reshape(len(own), -1)
            out[name] = np.where(self.missing[own], self.centre[own, None], flat).reshape(
                arrays[name].shape
            )
        return out


@dataclass(slots=True)
class _Solved:
    """The posterior of missing cells under some parameters; K values of the host's latents.

    `linear` (K, V, contexts), `square` (K, V, V, kinds); of all patterns together, where that isn't
    too much, `inverses` (K, patterns, V, V) and `constants` (K, patterns).
    """

    params: Params | None
    linear: Floats
    square: Floats
    inverses: Floats | None = None
    constants: Floats | None = None
    block: tuple[int, int] = (-1, -1)
    found: tuple[Floats, Floats] | None = None  # of that block: means (K, V, b), evidence (K, b)


@dataclass(slots=True)
class _Rows:
    """The rows with missing cells, as functions of the cells: see `quadratics`.

    `which` (R,) are their numbers; `missing` (V, R), `known` (V, R) what t is where it is known,
    `context` and `kind` (R,) which coefficients, `pattern` (R,) which of the distinct combinations
    of missing cells and kind, whose first rows are `first`.
    """

    which: Ints
    cells: list[Cell]
    step: Floats
    centre: Floats
    missing: Masks
    known: Floats
    context: Ints
    kind: Ints
    pattern: Ints
    first: Ints
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
        kinds = kind[context]
        distinct, pattern = distinct_columns(np.concatenate([missing, kinds[None]]).astype(float))
        return _Rows(which, cells, step, centre, missing, known, context, kinds, pattern,
                     distinct, found)  # fmt: skip

    def _contexts(self, base: Mapping[str, NDArray[Any]], free: Ints) -> tuple[Ints, Ints]:
        """The first of the rows that are alike but for free cells, and which each is like."""
        own = {}
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

    def solve(self, params: Params | None) -> None:
        """Find the posteriors under these parameters, once; None: of the values drawn, if any."""
        if self._solved is not None and self._solved.params is params:
            return
        if params is None:
            none = np.zeros((self.states, 1, 1))
            self._solved = _Solved(None, none, none[..., None])
            return
        rows = self.rows
        known = self.data.piece.coefficients(params, self.layout, self.pivot)
        count = len(rows.cells)
        linear: Floats = np.zeros((self.states, count, 1))
        square: Floats = np.zeros((self.states, count, count, 1))
        for c, q in rows.quadratics.items():
            own = self._coefficients(known, c, q.active)
            linear = linear + self._spread(c, np.tensordot(own, q.slope, 1))
            square = square + self._spread(c, np.tensordot(own, q.bend, 1))
        self._solved = solved = _Solved(params, linear, square)
        if self.states * len(rows.first) * count**2 <= _KEPT:
            solved.inverses, solved.constants = self._conditioned(np.arange(len(rows.first)))

    def _coefficients(self, known: Coefficients, cluster: int, active: Ints) -> Floats:
        own: Floats = known[cluster + 1]
        return own[active][None] if cluster < 0 else own[:, active]

    def _conditioned(self, patterns: Ints) -> tuple[Floats, Floats]:
        """Covariances of the missing cells (K, patterns, V, V), zero elsewhere, and constants.

        Raises numpy.linalg.LinAlgError where a precision isn't positive definite.
        """
        assert self._solved is not None
        rows = self.rows
        first = rows.first[patterns]
        missing = rows.missing[:, first].T.astype(np.float64)
        both = missing[:, :, None] * missing[:, None]
        square = self._solved.square
        chosen = square[..., rows.kind[first]] if square.shape[-1] > 1 else square
        precision = -2.0 * np.moveaxis(chosen, -1, 1) * both
        at = np.arange(missing.shape[1])
        precision[..., at, at] += 1.0 - missing  # what is known is a block of its own
        factor = np.linalg.cholesky(precision)
        inverse = np.linalg.inv(factor)
        logs = np.log(np.einsum("...vv->...v", factor)).sum(axis=-1)
        constants = missing @ (0.5 * math.log(2.0 * math.pi) + np.log(rows.step)) - logs
        return np.swapaxes(inverse, -1, -2) @ inverse * both, constants

    def _block(self, start: int, stop: int) -> tuple[slice, Floats, Floats]:
        """The incomplete rows of a block: their numbers here, means (K, V, b), evidence (K, b)."""
        solved = self._solved
        assert solved is not None
        low, high = np.searchsorted(self._which, (start, stop))
        here = slice(int(low), int(high))
        if solved.params is None:
            count = here.stop - here.start
            shape = (self.states, len(self.rows.cells) if self.drawn is not None else 1, count)
            mean = np.zeros(shape) if self.drawn is None else np.broadcast_to(
                self.drawn[:, here], shape)  # fmt: skip
            return here, mean, np.zeros((self.states, count))
        if solved.block != (here.start, here.stop) or solved.found is None:
            solved.block, solved.found = (here.start, here.stop), self._means(here)
        return here, *solved.found

    def _means(self, here: slice) -> tuple[Floats, Floats]:
        solved, rows = self._solved, self.rows
        assert solved is not None
        known, missing = rows.known[:, here], rows.missing[:, here]
        linear = solved.linear
        if linear.shape[-1] > 1:
            linear = linear[..., rows.context[here]]
        force = linear + 2.0 * self._times_known(known, rows.kind[here])
        force = np.where(missing, force, 0.0)
        pattern = rows.pattern[here]
        mean = np.empty_like(force)
        evidence = np.empty((self.states, force.shape[-1]))
        for which, inverses, constants in self._inverses(pattern):
            part = force[..., which]
            if inverses.shape[1] == 1:
                found = inverses[:, 0] @ part
            else:
                found = np.einsum("kbvw,kwb->kvb", inverses, part, optimize=True)
            mean[..., which] = found
            evidence[:, which] = 0.5 * np.einsum("kvb,kvb->kb", part, found) + constants
        return mean, evidence

    def _inverses(self, pattern: Ints) -> Iterator[tuple[Ints, Floats, Floats]]:
        """For each pattern its rows, inverse and constant; or for all rows at once their own."""
        solved = self._solved
        assert solved is not None
        distinct, place = np.unique(pattern, return_inverse=True)
        if solved.inverses is None or solved.constants is None:
            inverses, constants = self._conditioned(distinct)
        else:
            inverses, constants = solved.inverses[:, distinct], solved.constants[:, distinct]
        if _FEW * len(distinct) <= len(pattern) or len(distinct) == 1:
            order = np.argsort(place, kind="stable")
            ends = np.cumsum(np.bincount(place, minlength=len(distinct)))
            for i, (low, high) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
                yield order[low:high], inverses[:, i : i + 1], constants[:, i : i + 1]
        else:
            width = max(1, _KEPT // max(1, inverses[:, 0].size))
            for low in range(0, len(pattern), width):
                own = place[low : low + width]
                which = np.arange(low, low + len(own))
                yield which, inverses[:, own], constants[:, own]

    def _times_known(self, known: Floats, kind: Ints) -> Floats:
        """H t for every row, (K, V, b)."""
        assert self._solved is not None
        square = self._solved.square
        if square.shape[-1] == 1:
            found: Floats = square[..., 0] @ known
            return found
        if square.shape[-1] > _KINDS:
            return np.einsum("kvwb,wb->kvb", square[..., kind], known)
        out = np.empty((*square.shape[:2], known.shape[1]))
        for i in np.unique(kind):
            own = kind == i
            out[..., own] = square[..., i] @ known[:, own]
        return out

    # -- what the engine asks for --

    def evidence(self, start: int, stop: int) -> Floats | None:
        """What the integral adds to the log joint of a block's rows, (states..., B); None: no row."""
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
        if here.start == here.stop or (self._solved.params is None and self.drawn is None):
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
        """sum w (E[t t'] - t t' as filled in), (K, V, V, kinds), for some kinds of rows at a time."""
        rows = self.rows
        known, kind, pattern = rows.known[:, here], rows.kind[here], rows.pattern[here]
        kinds = np.unique(kind)
        if len(kinds) <= _KINDS:
            for i in kinds:
                own = slice(None) if len(kinds) == 1 else np.flatnonzero(kind == i)
                cross = first[..., own] @ known[:, own].T
                total = first[..., own] @ np.swapaxes(mean[..., own], -1, -2)
                total += cross + np.swapaxes(cross, -1, -2)
                total += self._within(pattern[own], weight[:, own])
                yield np.array([i]), total[..., None]
            return
        width = max(1, _KEPT // (self.states * len(known) ** 2))
        for low in range(0, len(kind), width):
            own = slice(low, low + width)
            cross = first[:, :, None, own] * known[:, own]
            total = first[:, :, None, own] * mean[:, None, :, own]
            total += cross + np.swapaxes(cross, 1, 2)
            fixed = self._solved is None or self._solved.params is None
            for which, inverses, _ in () if fixed else self._inverses(pattern[own]):
                inner = np.moveaxis(inverses, 1, -1)
                total[..., which] += weight[:, None, None, own][..., which] * inner
            yield kind[own], total

    def _within(self, pattern: Ints, weight: Floats) -> Floats:
        """sum w Var[t] over rows, (K, V, V)."""
        solved = self._solved
        assert solved is not None
        count = len(self.rows.cells)
        total = np.zeros((self.states, count, count))
        if solved.params is None:
            return total
        distinct, place = np.unique(pattern, return_inverse=True)
        inverses = (self._conditioned(distinct)[0] if solved.inverses is None
                    else solved.inverses[:, distinct])  # fmt: skip
        for k in range(self.states):
            each = np.bincount(place, weight[k], minlength=len(distinct))
            total[k] = np.tensordot(each, inverses[k], 1)
        return total

    def cells(self, start: int, stop: int, weight: Floats) -> tuple[Ints, Floats, Floats]:
        """The block's incomplete rows, and their cells' means and variances (V, b).

        weight : the posterior of the host's values, (K, B) or (1, B).
        """
        here, mean, _ = self._block(start, stop)
        rows = self.rows
        which = self._which[here]
        own = np.broadcast_to(weight, (self.states, stop - start))[:, which - start]
        square = np.zeros_like(mean)
        for at, inverses, _ in self._inverses(rows.pattern[here]) if len(which) else ():
            square[..., at] = np.moveaxis(np.einsum("kbvv->kbv", inverses), 1, 2)
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
        order = np.argsort(places) if places else []
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
        ranks = np.argsort(np.argsort(places)) if places else []
        return found.transpose(*ranks, len(places)).reshape(-1, value.shape[-1])

    # -- where missing cells are filled in --

    def draw(self, rng: np.random.Generator | None) -> None:
        """Values to start from, as far apart as the data; None: the middle of each column."""
        self._solved = None
        self.drawn = None
        if rng is not None:
            rows = self.rows
            self.drawn = np.where(rows.missing, rng.standard_normal(rows.missing.shape), 0.0)

    def moved(self, params: Params) -> Filling | None:
        """A better filling for cells far from the centre under parameters; None: it is good."""
        self.solve(params)
        solved = self._solved
        assert solved is not None
        rows = self.rows
        mean, _ = self._means(slice(0, len(self._which)))
        missing = rows.missing
        count = np.maximum(missing.sum(axis=1), 1) * self.states
        at = mean.sum(axis=(0, 2)) / count
        spread = np.zeros(len(rows.cells))
        for which, inverses, _ in self._inverses(rows.pattern):
            many = len(which) if inverses.shape[1] == 1 else 1
            spread += many * np.einsum("kbvv->v", inverses)
        spread = np.sqrt(spread / count + ((mean - at[:, None]) ** 2).sum(axis=(0, 2)) / count)
        ever = missing.any(axis=1)
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
        filling.measure(max((float(np.abs(x).max(initial=0.0)) for x in pivot.values()), default=0.0))
        out.append(GapData(gaps, data, filling, layout, pivot, dims))
    return tuple(out)
