"""Runs a program's E-step over blocks of each level of rows that stay in cache.

    features (F, B), coefficients (C, F)
    log joint = coefficients @ features          one matrix product out
    statistics = posterior @ features.T          and the same features back

Rows that are coupled meet in between: their log potentials are kept whole, `structures` sums the
latents out, and the posteriors go back block by block. Knows nothing of convergence, restarts or
where the data came from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from emdsl.runtime.condensed import condensed
from emdsl.runtime.constraints import Constraints
from emdsl.runtime.folds import folded, with_folds
from emdsl.runtime.gaps import GapData, gaps_of
from emdsl.runtime.held import restricted
from emdsl.runtime.how import EXPECT, How
from emdsl.runtime.links import Levels, added_up, tie
from emdsl.runtime.pieces import (
    Chunk,
    Coupled,
    ImpossibleError,
    Kept,
    Known,
    PieceData,
    Steer,
    block_of,
    fill,
    live_block,
    load_piece,
    weighted_sum,
    whole,
)
from emdsl.runtime.program import (
    Bound,
    Coefficients,
    Features,
    Floats,
    Layout,
    Params,
    Program,
    Statistics,
)
from emdsl.runtime.rows import Wide, expected, ready
from emdsl.runtime.ruled_out import Barred, logs_of_zero, met
from emdsl.runtime.units import unit_of
from emdsl.runtime.unseen import Points, unopinionated

_LEAST = 1e-290  # of the largest: a part that is only what was cut off
_CUT = 1e-295  # a posterior below e^-690 was cut off there
_SETTLING = 4  # times that missing cells are filled in anew
_LEAST_ROWS = 2048  # where more is done for a block than two products
_SPARSE = 8  # rows that one stands for, from which a sample is kept
_CACHED = 2**28  # bytes of features kept between iterations; past that they are made anew


class Engine:
    """A program with its data: E-steps under any parameters, about one pivot."""

    def __init__(
        self,
        program: Program,
        bound: Bound,
        pivot: Params | None = None,
        *,
        collapse: bool = True,
        constraints: Constraints | None = None,
        like: Engine | None = None,
    ) -> None:
        """`like`: an engine of the same program but for its features, whose data are loaded."""
        self.program = program = restricted(program, constraints)
        self.constraints = constraints
        self.bound = bound
        self.layout: Layout = bound.layout
        self.levels: Levels = Levels(program.meta, bound) if like is None else like.levels
        self.unit = unit_of(program.meta, bound)
        coupled = {i for s in program.structures for i in s.pieces}
        if like is None:
            self.pieces = [
                load_piece(
                    program.meta,
                    self.levels,
                    piece,
                    collapse and i not in coupled and not piece.folds,
                )
                for i, piece in enumerate(program.pieces)
            ]
        else:
            pieces = zip(like.pieces, program.pieces, strict=True)
            self.pieces = [replace(data, piece=piece, cache={}) for data, piece in pieces]
        self.coupled = coupled
        self.structures: list[Coupled] = [
            s.load(program.meta, self.levels, self.pieces, self.blocks) for s in program.structures
        ]
        self.pivot: Params = {}
        self._direct: list[Floats | None] = []
        self.set_pivot(pivot if pivot is not None else self._zero_pivot())

    def _zero_pivot(self) -> Params:
        shapes = self.program.meta.params
        sizes = self.layout.sizes
        zero = {p.name: np.zeros([sizes[d] if isinstance(d, str) else d for d in p.dims])
                for p in shapes}  # fmt: skip
        return self.program.pivot(zero)

    def set_pivot(self, pivot: Params) -> None:
        """Take second moments about `pivot` from now on."""
        self.pivot = pivot
        self._found: dict[bytes, Any] = {}
        for data in self.pieces:
            data.folded = [
                folded(
                    self.program.meta,
                    self.levels,
                    fold,
                    self.layout,
                    pivot,
                    [f for other in self.pieces if other.piece.axes == fold.link.source
                     for f in other.fillings if f is not None],
                )
                for fold in data.piece.folds
            ]  # fmt: skip
        for data in self.pieces:
            data.cache.clear()
            probe = self._features(data, data.chunk(0, min(1, data.size)))
            data.kinds, data.width = probe.rows, probe.direct.shape[0]
            data.gaps = gaps_of(
                self.program.meta, self.levels, data, self.pieces, self.layout, pivot
            )
            least = _LEAST_ROWS if data.piece.integrals or data.gaps else 256
            wide, data.block = block_of(probe, data.states, least)
            if data.piece.potentials is not None and not data.piece.latents:
                data.block = live_block(data)
            data.cached = 8 * wide * data.size <= _CACHED
        for index, data in enumerate(self.pieces):
            data.guests = tuple(g for d in self.pieces for g in d.gaps if g.gaps.home == index)
        self._direct = [None] * len(self.pieces)
        self._few: dict[int, tuple[Chunk, Features] | None] = {}
        self._samples: dict[tuple[int, int], Statistics] = {}
        for structure in self.structures:
            structure.share()

    def _features(self, data: PieceData, chunk: Chunk) -> Features:
        own = data.piece.features(data.block_arrays(chunk), self.layout, self.pivot)
        return with_folds(own, data.piece.folds, data.folded, chunk)

    def blocks(self, index: int, at: Params | None = None) -> Iterator[tuple[Chunk, Features]]:
        """The blocks of piece `index` with their features, and what is added `at` parameters."""
        data = self.pieces[index]
        if data.piece.potentials is None and (at is None or not (data.gaps or data.guests)):
            yield from self._still(index)
            return
        for chunk, still in self._still(index):
            if at is None:
                yield chunk, replace(still, fixed=tuple(map(_or_zero, still.fixed)))
            else:
                yield chunk, self._at(data, chunk, still, at)

    def _at(self, data: PieceData, chunk: Chunk, features: Features, at: Params) -> Features:
        """Features with what is added at parameters: functions of both, and missing cells."""
        if data.piece.potentials is not None:
            arrays = data.block_arrays(chunk)
            features = _with(features, *data.piece.potentials(arrays, at, self.layout, self.pivot))
        for gaps in data.gaps:
            gaps.solve(at)
            more, host = gaps.evidence(chunk.start, chunk.stop), gaps.gaps.host
            natural = gaps.natural(chunk.start, chunk.stop) if data.piece.integrals else {}
            fixed = tuple(more if c == host else natural.get(c) for c in range(len(features.fixed)))
            features = _with(features, more if host < 0 else None, fixed)
        for gaps in data.guests:
            gaps.solve(at)
            here = slice(chunk.start, chunk.stop)
            added = gaps.folded()
            fixed = tuple(
                added[c][..., here] if c in added else None for c in range(len(features.fixed))
            )
            features = _with(features, None, fixed)
        return features

    def _still(self, index: int) -> Iterator[tuple[Chunk, Features]]:
        """The blocks of piece `index` with their features, made or from the cache."""
        data = self.pieces[index]
        for start in range(0, data.size, data.block):
            found = data.cache.get(start)
            if found is None:
                chunk = data.chunk(start, min(start + data.block, data.size))
                found = chunk, self._features(data, chunk)
                if data.cached:
                    data.cache[start] = found
            yield found

    # --- E-step ------------------------------------------------------------------------------

    def e_step(self, params: Params) -> Statistics:
        """Expected sufficient statistics and log likelihood of all the data under `params`.

        Raises numpy.linalg.LinAlgError where a covariance is no longer positive definite, and
        ImpossibleError where an element has probability zero.
        """
        return self._run(params, None)

    def start(self, bias: Steer, rng: np.random.Generator | None = None) -> Statistics:
        """Statistics from given log potentials in place of a posterior, to start EM from.

        `bias(piece index, chunk)` gives, for each latent to be steered, (values, B). What the
        data rule out stays ruled out. Missing cells that are integrated out have values drawn
        with `rng`, or those in the middle of the data.
        """
        for data in self.pieces:
            for gaps in data.gaps:
                gaps.draw(rng)
        return self._run(None, bias)

    @property
    def _unseen(self) -> bool:
        """Whether statistics are of what isn't seen: else every E-step gives the same."""
        meta = self.program.meta
        return bool(meta.latents or meta.continuous) or self.has_gaps

    @property
    def has_gaps(self) -> bool:
        """Whether missing cells are integrated out."""
        return any(data.gaps for data in self.pieces)

    def settle(self, params: Params) -> None:
        """Fill missing cells in near where they are under parameters, if data don't say where."""
        for _ in range(_SETTLING):
            moved = False
            for data in self.pieces:
                fillings = list(data.fillings)
                for gaps in data.gaps:
                    new = gaps.moved(params)
                    if new is not None:
                        fillings[data.piece.gaps.index(gaps.gaps)] = new
                        moved = True
                data.fillings = tuple(fillings)
                fill(data)
            if not moved:
                return
            self.set_pivot(self.pivot)

    def _run(self, params: Params | None, bias: Steer | None) -> Statistics:
        values: dict[str, Floats] = {}
        log_likelihood = 0.0
        known = self.known(params)
        for index, data in enumerate(self.pieces):
            self._sum_direct(index)
            for gaps in data.gaps:
                gaps.solve(params)
                gaps.direct = None
        sums: dict[int, tuple[Floats, ...]] = {}
        kept: Kept = {}
        for structure in self.structures:
            evidence, found, rows = structure.expect(known, bias)
            if params is not None:
                log_likelihood += structure.log_likelihood(evidence, known)
            sums |= found
            kept |= rows
        for index, data in enumerate(self.pieces):
            if data.piece.clusters and index not in self.coupled:
                part, sums[index] = self._blockwise(index, known, bias, kept)
                log_likelihood += part
            elif data.piece.potentials is not None or data.gaps:
                log_likelihood += self._live_evidence(index, params, kept)
        for index, data in enumerate(self.pieces):  # rows folded into others have their sums now
            direct = self._direct[index]
            assert direct is not None
            if params is not None:
                log_likelihood += self._direct_evidence(index, known[index][0], direct)
                if log_likelihood == -np.inf:
                    self._impossible_direct(index)
            part_sums = tuple(map(_cut_off, sums.get(index, ())))
            for gaps in data.gaps:
                if gaps.gaps.host < 0 and gaps.ties is None:
                    self._add_gaps(data, gaps)
                direct = direct if gaps.direct is None else direct + gaps.direct
            values.update(data.piece.collect(direct, part_sums, self.layout))
        return Statistics(
            values,
            log_likelihood,
            self.layout,
            self.pivot,
            {key: tuple(rows) for key, rows in kept.items()},
            thorough=params is None,
            thin=self._thinned if not self.program.meta.latents else None,
            found=None if self._unseen or self.constraints is not None else self._found,
        )

    def _thinned(self, first: int, step: int) -> Statistics:
        """The statistics of every so-many-th row, weighted to stand for all: there is no latent.

        Those of few rows are kept: a look at where a run ends is at the rows that it began with.
        """
        known = self._samples.get((first, step))
        if known is None:
            known = self._sampled(first, step)
            if step >= _SPARSE:
                self._samples[first, step] = known
        return known

    def _sampled(self, first: int, step: int) -> Statistics:
        values: dict[str, Floats] = {}
        rows: Kept = {}
        for index, data in enumerate(self.pieces):
            some = data.thinned(first, step)
            direct: Floats | None = None
            for chunk in some.chunks():
                features = self._features(some, chunk)
                part = weighted_sum(features.direct, chunk.weight)
                direct = part if direct is None else direct + part
                for cluster in data.piece.kept:
                    rows.setdefault((index, cluster), []).append(some.kept(chunk, None))
            assert direct is not None
            values.update(data.piece.collect(direct, (), self.layout))
        blocks = {key: tuple(found) for key, found in rows.items()}
        return Statistics(values, np.nan, self.layout, self.pivot, blocks,
                          found={} if self.constraints is None else None)  # fmt: skip

    def _live_evidence(self, index: int, params: Params | None, kept: Kept) -> float:
        """The log likelihood that no latent of these rows touches, where data and params mix."""
        data = self.pieces[index]
        total = 0.0
        if -1 in data.piece.kept:
            kept[index, -1] = [data.kept(chunk, None) for chunk, _ in self._still(index)]
        for chunk, features in self.blocks(index, params):
            if features.live is not None:
                total += _added_up(features.live, chunk)
        return total

    def _blockwise(
        self, index: int, known: Known, bias: Steer | None, kept: Kept
    ) -> tuple[float, tuple[Floats, ...]]:
        """Log likelihood and sums over the rows of a piece whose rows are independent."""
        data = self.pieces[index]
        sums: tuple[Floats, ...] | None = None
        means: list[tuple[Floats, ...]] = []  # of latents' functions, where other rows ask for them
        log_likelihood = 0.0
        for cluster in data.piece.kept:
            kept[index, cluster] = []
        # condensed rows stand for all where posteriors are about zero before there are parameters
        centred = known.params is None and isinstance(bias, Points) and any(bias.centres.values())
        few = None if centred else self._condensed(index)
        for chunk, features in self.blocks(index, known.params) if few is None else (few,):
            steer = bias(index, chunk) if bias is not None else None
            if known.params is None and data.piece.integrals:
                steer = {**unopinionated(data.piece, chunk, self.layout), **(steer or {})}
            evidence, posterior = data.piece.infer(
                features, known[index], self.layout, EXPECT, steer
            )
            for cluster in data.piece.kept:
                own = None if cluster < 0 else posterior[cluster]
                kept[index, cluster].append(data.kept(chunk, own))
            if known.params is not None:
                if features.live is not None:
                    evidence = evidence + features.live
                if chunk.weight is not None:  # what has no weight may be impossible
                    evidence = np.where(chunk.weight > 0.0, evidence, 0.0)
                part = float(evidence.sum() if chunk.weight is None else evidence @ chunk.weight)
                if not np.isfinite(part) and evidence.min() == -np.inf:
                    self._impossible(data, chunk, evidence)
                log_likelihood += part
            if data.guests:
                means.append(posterior)
            if chunk.weight is not None:
                posterior = tuple(p * chunk.weight for p in posterior)
            new = tuple(map(expected, posterior, features.rows))
            sums = new if sums is None else tuple(map(np.add, sums, new))
            for gaps in data.gaps:
                if gaps.gaps.host >= 0 or gaps.ties is not None:
                    sums = gaps.added(sums, chunk.start, chunk.stop, posterior, chunk.weight)
        for gaps in data.guests:
            more = gaps.guest_sums([np.concatenate(c, axis=-1) for c in zip(*means, strict=True)])
            sums = tuple(
                s + more[c].reshape(s.shape) if c in more else s for c, s in enumerate(sums or ())
            )
        return log_likelihood, sums or ()

    def _add_gaps(self, data: PieceData, gaps: GapData) -> None:
        """What missing cells that no latent touches add to the direct sums."""
        for start in range(0, data.size, data.block):
            chunk = data.chunk(start, min(start + data.block, data.size))
            weight = np.ones(chunk.stop - chunk.start) if chunk.weight is None else chunk.weight
            gaps.sums(chunk.start, chunk.stop, weight[None])

    def _condensed(self, index: int) -> tuple[Chunk, Features] | None:
        """A few rows that have the statistics of all of a piece's, if there are such."""
        if self.pieces[index].gaps or self.pieces[index].guests:
            return None
        if index not in self._few:
            self._few[index] = condensed(self.pieces[index], lambda: self._still(index))
        return self._few[index]

    def direct_sums(self, index: int) -> Floats:
        """The sums over a piece's rows of the features that no latent touches, (F,)."""
        self._sum_direct(index)
        direct = self._direct[index]
        return np.zeros(0) if direct is None else direct

    def _sum_direct(self, index: int) -> None:
        if self._direct[index] is None:
            total: Floats | None = None
            for chunk, features in self.blocks(index):
                part = weighted_sum(features.direct, chunk.weight)
                total = part if total is None else total + part
            self._direct[index] = total

    def _direct_evidence(self, index: int, known: Any, direct: Floats) -> float:
        """The log likelihood of terms without a latent."""
        if isinstance(known, Barred) and met(known.zero, direct):
            for chunk, features in self.blocks(index):
                counted = 1.0 if chunk.weight is None else chunk.weight > 0.0
                hit = np.asarray(met(known.zero, features.direct) * counted, dtype=np.float64)
                if hit.any():
                    self._impossible(self.pieces[index], chunk, -hit)
        return float((known.known if isinstance(known, Barred) else known) @ direct)

    def known(self, params: Params | None) -> Known:
        """Every piece's coefficients, ready to meet its features."""
        return Known((self._known(data, params) for data in self.pieces), params)

    def _known(self, data: PieceData, params: Params | None) -> tuple[Any, ...]:
        """A piece's coefficients, those of clusters ready to meet rows like the piece's.

        Logs of exact zeros among them rule out what they meet. Without parameters every
        coefficient is zero.
        """
        if params is None:
            neutral = (np.zeros((c, r.shape[0]))
                       for c, r in zip(data.states, data.kinds, strict=True))  # fmt: skip
            return (np.zeros(data.width), *map(ready, neutral, data.kinds))

        def coefficients(at: Params) -> Coefficients:
            return data.piece.coefficients(at, self.layout, self.pivot)

        known = coefficients(params)
        zeros = logs_of_zero(self.program.meta, known, coefficients, params)
        return (
            known[0] if zeros[0] is None else Barred(known[0], zeros[0]),
            *(
                ready(c, kind) if zero is None else Barred(ready(c, kind), ready(zero, kind))
                for c, zero, kind in zip(known[1:], zeros[1:], data.kinds, strict=True)
            ),
        )

    # --- what can be asked -------------------------------------------------------------------

    def marginals(self, params: Params, how: How = EXPECT) -> dict[str, Floats]:
        """{latent: (rows, values)}: the posterior of each, or 1 at the best or drawn value."""
        out: dict[str, Floats] = {}
        known = self.known(params)
        for structure in self.structures:
            _, found = structure.infer(known, how)
            for i, posteriors in found.items():
                piece = self.pieces[i].piece
                for name, marginal in piece.marginals(posteriors, self.layout).items():
                    out[name] = np.ascontiguousarray(np.where(marginal < _CUT, 0.0, marginal).T)
        for index, data in enumerate(self.pieces):
            if index in self.coupled or not data.piece.latents:
                continue
            parts: dict[str, list[Floats]] = {name: [] for name in data.piece.latents}
            for _, features in self.blocks(index, params):
                _, posterior = data.piece.infer(features, known[index], self.layout, how, None)
                for name, marginal in data.piece.marginals(posterior, self.layout).items():
                    # exp is cut off at e^-690: what is ruled out is that, and shown as zero
                    parts[name].append(np.where(marginal < _CUT, 0.0, marginal).T)
            out.update({name: whole(blocks, data) for name, blocks in parts.items()})
        return {z.name: out[z.name] for z in self.program.meta.latents}

    def log_evidence(self, params: Params, how: How = EXPECT) -> dict[tuple[str, ...], Floats]:
        """Log likelihood of every independent row of each level, (rows,), unweighted.

        Coupled rows count for the rows of the level that their evidence is of, and those whose
        features are added up elsewhere for the rows they point to. With `Best` it is
        the log joint of the data and the most probable values.
        """
        out: dict[tuple[str, ...], Floats] = {}
        known = self.known(params)

        def count(axes: tuple[str, ...], rows: Floats) -> None:
            out[axes] = out[axes] + rows if axes in out else rows

        target: dict[int, tuple[str, ...]] = {}
        links = {f.link.source: f.link for data in self.pieces for f in data.piece.folds}
        for structure in self.structures:
            evidence, _ = structure.infer(known, how)
            found = {tuple(filter(None, axis.split(","))): rows for axis, rows in evidence.items()}
            for axes, rows in found.items():
                count(axes, rows)
            for i in structure.pieces:
                axes = self.pieces[i].piece.axes
                outer = [a for a in found if axes[: len(a)] == a]
                target[i] = min(outer, key=len, default=axes)
        for index, data in enumerate(self.pieces):
            axes = data.piece.axes
            rows = np.empty(data.size)
            for chunk, features in self.blocks(index, params):
                part = known[index][0] @ features.direct
                if features.live is not None:
                    part = part + features.live
                if data.piece.clusters and index not in self.coupled:
                    part = (
                        part + data.piece.infer(features, known[index], self.layout, how, None)[0]
                    )
                rows[chunk.start : chunk.stop] = part
            rows = rows if data.inverse is None else rows[data.inverse]
            goal = target.get(index, axes)
            if axes in links:  # what rows say of the row that they point to counts for it
                goal = links[axes].target
                rows = tie(self.levels, links[axes]).add(rows)
            elif goal != axes:
                up = self.levels.rows(axes).up[len(goal)]
                weight = self.levels.within(axes, goal)
                counted = rows if weight is None else rows * weight
                rows = added_up(counted, up, self.levels.rows(goal).size)
                if goal not in out:
                    goal = axes
            count(goal, rows)
        return out

    # --- what can't be -----------------------------------------------------------------------

    def _impossible(self, data: PieceData, chunk: Chunk, evidence: Floats) -> None:
        row = chunk.start + int(np.argmin(evidence))
        if data.inverse is not None:
            row = int(np.flatnonzero(data.inverse == row)[0])
        raise ImpossibleError(data.piece.axes, row)

    def _impossible_direct(self, index: int) -> None:
        data = self.pieces[index]
        for chunk, features in self.blocks(index):
            direct: Any = features.direct
            bad = (direct.is_impossible() if isinstance(direct, Wide) else
                   np.isneginf(direct).any(axis=0))  # fmt: skip
            if bad.any():
                self._impossible(data, chunk, np.where(bad, -np.inf, 0.0))
        raise ImpossibleError(data.piece.axes, 0)


def _with(features: Features, live: Floats | None, parts: tuple[Floats | None, ...]) -> Features:
    """Features with more added to what is fixed at the parameters of the moment."""
    fixed = tuple(
        f if p is None else (p if f is None else f + p)
        for f, p in zip(features.fixed, parts, strict=True)
    )
    whole = live if features.live is None else (
        features.live if live is None else features.live + live
    )  # fmt: skip
    return replace(features, fixed=fixed, live=whole)


def _or_zero(fixed: Floats | None) -> Floats:
    return np.zeros(1) if fixed is None else fixed


def _added_up(live: Floats, chunk: Chunk) -> float:
    if chunk.weight is None:
        return float(live.sum())
    return float(np.where(chunk.weight > 0.0, live, 0.0) @ chunk.weight)


def _cut_off(sums: Floats) -> Floats:
    """Expected sums (C, F) with zero for states that nothing but the cut-off of exp gives a part.

    Posteriors are cut off at about e^-690, which would leave a state that is ruled out, or whose
    probability is fixed at zero, with a mean of all the data and a weight not quite zero.
    """
    if len(sums) < 2:
        return sums
    size = np.abs(sums)
    kept: Floats = np.where(size < _LEAST * size.max(axis=0), 0.0, sums)
    return kept


__all__ = ["Chunk", "Engine", "ImpossibleError", "PieceData", "Steer"]
