"""Missing cells of real data, integrated out: rows that have some cells of a normal's and not all.

The rows go through the engine filled in, with their missing cells t_m = 0 somewhere in the data's
middle. As a function of its cells t a row's log joint, for each value of the latents, is

    q(t) = q(0) + g't + t'Ht        P = -2 H_mm,   b = g_m + 2 H_mo t_o

so what the filled-in row lacks is added to it: to its log joint the integral's own part

    log integral exp(q(t_o, t_m) - q(t_o, 0)) dt_m = (b'P^-1 b - log det P + M log 2 pi) / 2

and to its features f(t_o, 0) the rest of their posterior mean, with E[t_m] = P^-1 b and
Var[t_m] = P^-1 (Little and Rubin, Statistical Analysis with Missing Data (2019), section 11.2, is
the case of one normal). Where normal latents have a part in the cells (`gap_ties`) all of this is
at latents of zero, and what they add is added. Rows without gaps notice nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from emdsl.runtime.filling import Filling
from emdsl.runtime.gap_folds import GapFold
from emdsl.runtime.gap_rows import GapRows, RowSource
from emdsl.runtime.gap_states import HostStates
from emdsl.runtime.gap_ties import Moments, Pull, Ties, ties_of
from emdsl.runtime.improper import ImproperError
from emdsl.runtime.links import Levels
from emdsl.runtime.patterns import KINDS, Conditionals, Ints
from emdsl.runtime.program import Coefficients, Floats, Gaps, Layout, Meta, Params
from emdsl.runtime.quadratics import on_grid, powers_of_two

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
    pull: Pull | None = None  # of latents that the cells are tied to
    folded: dict[int, Floats] | None = None  # what is added where the rows are folded to
    block: tuple[int, int] = (-1, -1)
    found: tuple[Floats, Floats] | None = None  # of that block: means (K, V, b), evidence (K, b)


@dataclass(frozen=True, slots=True)
class _Tied:
    """Of a block's incomplete rows G (K, V, U, b), G E[u] (K, V, b) and G E[u u'] (K, V, U, b)."""

    gain: Floats
    pull: Floats
    cross: Floats


@dataclass(slots=True)
class GapData:
    """One group of arrays of a piece with its incomplete rows."""

    gaps: Gaps
    data: PieceData
    filling: Filling
    layout: Layout
    pivot: Params
    states: HostStates
    ties: Ties | None = None
    fold: GapFold | None = None  # where the latents are those of other rows
    drawn: Floats | None = None  # (V, rows): values to start from, in steps
    direct: Floats | None = None  # what the last E-step adds to the direct terms' sums
    _rows: GapRows | None = None
    _solved: _Solved | None = None
    _which: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.intp))

    def __post_init__(self) -> None:
        self._which = np.flatnonzero(self.filling.missing.any(axis=0))

    # -- the rows --

    @property
    def rows(self) -> GapRows:
        """The incomplete rows; their features are looked at when first wanted."""
        if self._rows is None:
            source = RowSource(self.data, self.fold, self.filling, self.layout, self.pivot)
            clusters = (-1, *(c for c, _ in self.gaps.clusters))
            tied = self.ties.clusters if self.ties is not None else frozenset()
            self._rows = source.rows(self._which, clusters, tied)
        return self._rows

    # -- under given parameters --

    def solve(self, params: Params | None, *, exact: bool = True) -> None:
        """Find the posteriors under these parameters, once; None: of the values drawn, if any.

        Raises ImproperError where no digits are left of a log density that must be `exact`.
        """
        if self._solved is not None and self._solved.params is params:
            return
        if params is None:
            self._solved = _Solved(None, np.zeros((self.states.count, 1, 1)))
            return
        rows = self.rows
        known = self.data.piece.coefficients(params, self.layout, self.pivot)
        if self.fold is not None:
            known = self.fold.coefficients(known[0], params, self.layout, self.pivot)
        count = len(rows.cells)
        linear: Floats = np.zeros((self.states.count, count, 1))
        square: Floats = np.zeros((self.states.count, count, count, 1))
        tied = self.ties.clusters if self.ties is not None else frozenset()
        for c, q in rows.quadratics.items():
            if c in tied:
                continue
            own = self._coefficients(known, c, q.active)
            if exact and np.any(_EPS * (np.abs(own) @ q.size) > _LOST):
                names = " and ".join(self.gaps.arrays)
                raise ImproperError(
                    f"{names}: so far from zero for the spread that the missing cells' log density "
                    "has no digits left: subtract a constant from the data"
                )
            linear = linear + self.states.spread(c, np.tensordot(own, q.slope, 1))
            square = square + self.states.spread(c, np.tensordot(own, q.bend, 1))
        posterior = Conditionals(rows.patterns, square, rows.step)
        pull = Pull(posterior, self._slope(known)) if self.ties is not None else None
        self._solved = _Solved(params, linear, posterior, pull)

    def _slope(self, known: Coefficients) -> Floats:
        """What u t' of the latents u that the cells are tied to is multiplied by, (K, U, V, kinds).

        The kinds are those of second-order coefficients, or one where all are alike.
        """
        assert self.ties is not None
        ties, rows = self.ties, self.rows
        out: Floats = np.zeros((self.states.count, ties.size, len(rows.cells), 1))
        for s in ties.linear:
            q = rows.quadratics[s.cluster]
            own = np.atleast_2d(known[s.cluster + 1])[:, q.active]
            part = np.tensordot(own, q.slope, 1)
            whole = np.zeros((self.states.count, ties.size, *part.shape[1:]))
            whole[:, ties.spans[s.first]] = part.reshape(self.states.count, -1, *part.shape[1:])
            out = out + whole
        return out

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
            shape = (self.states.count, len(drawn), here.stop - here.start)
            mean = np.broadcast_to(drawn[:, here], shape)
            return here, mean, np.zeros((self.states.count, shape[-1]))
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
        out = np.zeros((self.states.count, stop - start))
        out[:, self._which[here] - start] = evidence
        return out.reshape(*self.states.dims, -1)

    def natural(self, start: int, stop: int) -> dict[int, Floats]:
        """What the integral adds to natural parameters of a block, (axes..., B) by cluster."""
        here, mean, _ = self._block(start, stop)
        assert self._solved is not None
        pull = self._solved.pull
        if self.ties is None or self.fold is not None or pull is None or here.start == here.stop:
            return {}
        numbers, width = np.arange(here.start, here.stop), stop - start
        linear = np.zeros((self.states.count, self.ties.size, width))
        square = np.zeros((self.states.count, self.ties.size, self.ties.size, width))
        linear[..., self._which[here] - start] = pull.linear(mean, numbers)
        square[..., self._which[here] - start] = pull.squares(numbers)
        return self.ties.natural(linear, square)

    def folded(self) -> dict[int, Floats]:
        """What the integral adds to natural parameters of the rows that these are folded into."""
        solved = self._solved
        assert solved is not None
        if solved.folded is None and self.ties is not None and solved.pull and self.fold:
            here, mean, _ = self._block(0, self.data.size)
            numbers = np.arange(here.start, here.stop)
            linear = self.fold.gathered(self._which, solved.pull.linear(mean, numbers))
            square = self.fold.gathered(self._which, solved.pull.squares(numbers))
            solved.folded = self.ties.natural(linear, square)
        return solved.folded or {}

    def guest_sums(self, values: Sequence[Floats]) -> dict[int, Floats]:
        """What folded rows' missing cells add to the expected sums of features, (C, F).

        values : the means of all clusters' functions at the rows they are folded into, (C, rows).
        """
        assert self.ties is not None
        assert self.fold is not None
        weight = self.data.weight
        own = np.ones((1, len(self._which))) if weight is None else weight[None, self._which]
        moments = self.fold.taken(self.ties.taken(values), self._which)
        weighed = Moments(own * moments.first, own * moments.second)
        return self.sums_of(0, self.data.size, own, weighed)

    def incomplete(self) -> Ints:
        """The numbers of the rows with missing cells."""
        return self._which

    def pulled(self) -> tuple[Floats, Floats, Ints]:
        """What the integral adds for each incomplete row where no latent is discrete: (U, R) to
        what u is multiplied by, (U, U, P) for each pattern to what u u' is, and the patterns (R,).
        """
        here, mean, _ = self._block(0, self.data.size)
        assert self._solved is not None
        assert self._solved.pull is not None
        pull = self._solved.pull
        linear = pull.linear(mean, np.arange(here.start, here.stop))
        return linear[0], pull.square[0], self.rows.patterns.number

    def sums(
        self, start: int, stop: int, weight: Floats, moments: Moments | None = None
    ) -> dict[int, Floats]:
        """What the missing cells add to the expected sums of features, (C, F) by cluster.

        weight : of the host's values (K, B), or (1, B) where no latent is in it: posteriors times
            the rows' weights. What is added to the direct terms' sums is kept apart, in `direct`.
        moments : of the latents that the cells are tied to, weighed likewise.
        """
        here, _, _ = self._block(start, stop)
        assert self._solved is not None
        if here.start == here.stop or (self._solved.posterior is None and self.drawn is None):
            return {}
        which = self._which[here] - start
        own = np.broadcast_to(weight, (self.states.count, stop - start))[:, which]
        return self.sums_of(start, stop, own, moments and moments.rows(which))

    def sums_of(
        self, start: int, stop: int, weight: Floats, moments: Moments | None
    ) -> dict[int, Floats]:
        """The same, with weights (K, b) and moments of the block's incomplete rows alone."""
        here, mean, _ = self._block(start, stop)
        assert self._solved is not None
        if here.start == here.stop or (self._solved.posterior is None and self.drawn is None):
            return {}
        rows = self.rows
        first = weight[:, None] * mean
        tied = self._tied(here, moments)
        if tied is not None:
            first = first + tied.pull
        out: dict[int, Floats] = {}
        for c, q in rows.quadratics.items():
            if not len(q.active) or (self.ties is not None and c in self.ties.clusters):
                continue
            if q.slope.shape[-1] == 1:
                part = first.sum(axis=-1) @ q.slope[..., 0].T
            else:
                slope = q.slope[..., rows.context[here]]
                part = np.tensordot(first, slope, ((1, 2), (1, 2)))
            out[c] = self.states.gathered(c, part)
        for which, second in self._seconds(here, weight, first, mean, tied):
            for c, before in out.items():
                q = rows.quadratics[c]
                bend = q.bend[..., which] if q.bend.shape[-1] > 1 else q.bend
                more = np.tensordot(second, bend, ((1, 2, 3), (1, 2, 3)))
                out[c] = before + self.states.gathered(c, more)
        if moments is not None:
            out |= self._products(here, mean, moments, tied)
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

    def _tied(self, here: slice, moments: Moments | None) -> _Tied | None:
        """What the latents do to the rows' missing cells; None where there are no latents yet."""
        assert self._solved is not None
        if moments is None or self._solved.pull is None:
            return None
        gain = self._solved.pull.gains(np.arange(here.start, here.stop))
        pull = np.einsum("kvub,kub->kvb", gain, moments.first)
        return _Tied(gain, pull, np.einsum("kvub,kuwb->kvwb", gain, moments.second))

    def _products(
        self, here: slice, mean: Floats, moments: Moments, tied: _Tied | None
    ) -> dict[int, Floats]:
        """The expected sums of the latents u times functions of t, (C, A) by cluster."""
        assert self.ties is not None
        each = moments.first[:, :, None] * mean[:, None]  # E[u t'], (K, U, V, b)
        if tied is not None:
            each += np.swapaxes(tied.cross, 1, 2)
        out: dict[int, Floats] = {}
        for s in self.ties.linear:
            q = self.rows.quadratics[s.cluster]
            own = each[:, self.ties.spans[s.first]]
            if q.slope.shape[-1] == 1:
                part = np.tensordot(own.sum(axis=-1), q.slope[..., 0], (2, 1))
            else:
                slope = q.slope[..., self.rows.patterns.kind[here]]
                part = np.einsum("kuvb,fvb->kuf", own, slope)
            out[s.cluster] = part.reshape(-1, part.shape[-1])
        return out

    def added(
        self,
        sums: tuple[Floats, ...],
        start: int,
        stop: int,
        posterior: Sequence[Floats],
        weight: Floats | None,
    ) -> tuple[Floats, ...]:
        """Expected sums of all clusters' features with what the missing cells add.

        posterior : of the clusters, (states, B) each, times the rows' weights (B,).
        """
        moments = self.ties.taken(posterior) if self.ties is not None else None
        if self.gaps.host >= 0:
            own = posterior[self.gaps.host]
        else:
            own = np.ones((1, stop - start)) if weight is None else weight[None]
        more = self.sums(start, stop, own, moments)
        return tuple(s + more[c].reshape(s.shape) if c in more else s for c, s in enumerate(sums))

    def _features_of(self, cluster: int) -> int:
        if cluster < 0:
            return self.data.width
        data = self.data if self.fold is None else self.fold.home
        return int(data.kinds[cluster].shape[0])

    def _seconds(
        self, here: slice, weight: Floats, first: Floats, mean: Floats, tied: _Tied | None
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
                if tied is not None:
                    total += mean[..., own] @ np.swapaxes(tied.pull[..., own], -1, -2)
                    total += np.einsum("kvub,kwub->kvw", tied.cross[..., own], tied.gain[..., own])
                if posterior is not None:
                    total += posterior.total(numbers[own], weight[:, own])
                yield np.array([i]), total[..., None]
            return
        width = max(1, _WIDE // (self.states.count * len(known) ** 2))
        for low in range(0, len(kind), width):
            own = slice(low, low + width)
            cross = first[:, :, None, own] * known[:, own]
            each = first[:, :, None, own] * mean[:, None, :, own]
            each += cross + np.swapaxes(cross, 1, 2)
            if tied is not None:
                each += mean[:, :, None, own] * tied.pull[:, None, :, own]
                each += np.einsum("kvub,kwub->kvwb", tied.cross[..., own], tied.gain[..., own])
            if posterior is not None:
                each += weight[:, None, None, own] * posterior.covariances(numbers[own])
            yield kind[own], each

    def cells(
        self,
        start: int,
        stop: int,
        weight: Floats,
        latents: tuple[Floats, Floats] | None = None,
    ) -> tuple[Ints, Floats, Floats]:
        """The block's incomplete rows, and their cells' means and variances (V, b).

        weight : the posterior of the host's values, (K, B) or (1, B).
        latents : means (K, U, B) and covariances (K, U, U, B), given these values, of the latents
            that the cells are tied to.
        """
        here, mean, _ = self._block(start, stop)
        assert self._solved is not None
        assert self._solved.posterior is not None
        rows, which = self.rows, self._which[here]
        numbers = np.arange(here.start, here.stop)
        own = np.broadcast_to(weight, (self.states.count, stop - start))[:, which - start]
        square = self._solved.posterior.variances(numbers)
        if latents is not None and self._solved.pull is not None:
            gain = self._solved.pull.gains(numbers)
            at, apart = (x[..., which - start] for x in latents)
            mean = mean + np.einsum("kvub,kub->kvb", gain, at)
            square = square + np.einsum("kvub,kuwb,kvwb->kvb", gain, apart, gain)
        average = np.einsum("kb,kvb->vb", own, mean)
        spread = np.einsum("kb,kvb->vb", own, square + (mean - average) ** 2)
        step = rows.step[:, None]
        return which, rows.centre[:, None] + step * average, step**2 * spread

    # -- where missing cells are filled in --

    def draw(self, rng: np.random.Generator | None) -> None:
        """Values to start from, as far apart as the data; None: the middle of each column."""
        self._solved = None
        self.drawn = None
        if rng is not None:
            missing = self.rows.patterns.missing
            self.drawn = np.where(missing, rng.standard_normal(missing.shape), 0.0)

    def moved(self, params: Params) -> Filling | None:
        """A better filling for cells far from the centre under parameters; None: it is good.

        Cells that latents have a part in are where these are, which takes all rows to say.
        """
        if self.ties is not None:
            return None
        self.solve(params, exact=False)
        assert self._solved is not None
        assert self._solved.posterior is not None
        rows, missing = self.rows, self.rows.patterns.missing
        mean, _ = self._means(slice(0, len(self._which)))
        square = self._solved.posterior.variances(np.arange(len(self._which)))
        count = np.maximum(missing.sum(axis=1), 1) * self.states.count
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


def gaps_of(
    meta: Meta,
    levels: Levels,
    data: PieceData,
    pieces: Sequence[PieceData],
    layout: Layout,
    pivot: Params,
) -> tuple[GapData, ...]:
    """The groups of a piece's arrays that have missing cells; `pieces` are all the program's."""
    out = []
    for gaps, filling in zip(data.piece.gaps, data.fillings, strict=True):
        if filling is None or not filling.missing.any():
            continue
        host = data.piece.clusters[gaps.host] if gaps.host >= 0 else ()
        dims = tuple(layout.sizes[d] if isinstance(d, str) else d for d in host)
        states = HostStates(dims, dict(gaps.clusters))
        filling.measure(max([0.0, *(float(np.abs(x).max(initial=0.0)) for x in pivot.values())]))
        home = data if gaps.home < 0 else pieces[gaps.home]
        fold = GapFold.of(meta, levels, home, data) if gaps.home >= 0 else None
        ties = ties_of(home.piece, gaps, layout)
        out.append(GapData(gaps, data, filling, layout, pivot, states, ties, fold))
    return tuple(out)
