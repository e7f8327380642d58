"""Coupled rows as the engine holds them: links and walks with their rows, and shared tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.chains import Chains, Trees
from emdsl.runtime.errors import DataError
from emdsl.runtime.feature_columns import at_columns, distinct_columns, joined, signature
from emdsl.runtime.fused import Fused, Shape, shape_of
from emdsl.runtime.how import EXPECT, How
from emdsl.runtime.integrals import add_integrals, finite_states, weighed
from emdsl.runtime.links import Levels, Tie, tie
from emdsl.runtime.pieces import (
    Chunk,
    ImpossibleError,
    Kept,
    Known,
    PieceData,
    Posteriors,
    Steer,
)
from emdsl.runtime.program import (
    Bias,
    Coefficients,
    Features,
    Floats,
    Layout,
    Link,
    Meta,
    Params,
    Potentials,
    Walk,
)
from emdsl.runtime.rows import expected
from emdsl.runtime.ruled_out import Barred
from emdsl.runtime.trees import CircleError
from emdsl.runtime.walks import Locate, WalkRows

_FEW = 1000  # log evidences that are added up exactly

Ints = NDArray[np.intp]
Blocks = Callable[..., Iterator[tuple[Chunk, Features]]]


@dataclass(frozen=True, slots=True)
class Shared:
    """A cluster's feature rows (F, tables), and its fixed log potentials (C, tables) or None."""

    rows: Any
    fixed: Floats | None


@dataclass(frozen=True, slots=True)
class Ties:
    """What a structure's `infer` is given: sizes of levels, links and walks with their rows."""

    rows: Mapping[str, int]
    links: tuple[Tie, ...]
    walks: tuple[WalkRows, ...]


@dataclass(frozen=True, slots=True)
class Structure:
    """Coupled levels: `pieces` are their numbers in the program.

    `infer(potentials, ties, layout, how)` takes each piece's log potentials, one array (states...,
    rows) or table (states..., tables) for each cluster, and gives the log evidence and a posterior
    for each cluster: of every row, or for tables already summed over the rows.
    """

    pieces: tuple[int, ...]
    links: tuple[Link, ...]
    walks: tuple[Walk, ...]
    infer: Callable[
        [Potentials, Ties, Layout, How], tuple[Mapping[str, Floats], tuple[Floats, ...]]
    ]

    def load(
        self, meta: Meta, levels: Levels, pieces: Sequence[PieceData], blocks: Blocks
    ) -> StructureData:
        """The levels with their rows."""
        return StructureData(self, meta, levels, pieces, blocks)


class StructureData:
    """A structure with its rows. `shared[piece][cluster]` are the tables that rows share."""

    def __init__(
        self,
        structure: Structure,
        meta: Meta,
        levels: Levels,
        pieces: Sequence[PieceData],
        blocks: Blocks,
    ) -> None:
        self.structure = structure
        self.levels = levels
        self.meta = meta
        self.data = pieces
        self.blocks = blocks
        axes = {pieces[i].piece.axes for i in structure.pieces}
        axes |= {a for k in structure.links for a in (k.source, k.target)}
        axes |= {w.axes for w in structure.walks} | {w.axes[:-1] for w in structure.walks}
        axes |= {a[:n] for a in tuple(axes) for n in range(len(a))}
        self.ties = Ties(
            {",".join(a): levels.rows(a).size for a in axes},
            tuple(tie(levels, k) for k in structure.links),
            tuple(self._walk(w) for w in structure.walks),
        )
        self.shared: dict[int, dict[int, Shared]] = {}
        self._lone: tuple[int, Shape] | None = self._as_lone()
        self._fused: Fused | None = None

    @property
    def pieces(self) -> tuple[int, ...]:
        return self.structure.pieces

    def _walk(self, walk: Walk) -> WalkRows:
        rows = self.levels.rows(walk.axes)
        place = rows.places[walk.axes[-1]]
        structure: Chains | Trees
        if walk.parent:
            up = rows.up[len(walk.axes) - 1]
            local = np.asarray(self.levels.along(walk.parent, walk.axes), dtype=np.intp)
            parent = np.where(local >= 0, rows.starts[-1][up] + local, -1)
            parent = np.where(parent == np.arange(rows.size), -1, parent)  # a root may say so
            try:
                structure = Trees(parent)
            except CircleError as error:
                where = self.levels.where(walk.axes, error.row)
                raise DataError(
                    f"row {where} is among its own ancestors by {walk.parent}, expected a tree: "
                    "give one row of the circle the parent -1"
                ) from None
            first = parent < 0
            outer = up[np.flatnonzero(first)]
        else:
            structure = Chains.from_lengths(rows.lengths[-1])
            first = place == 0
            outer = np.arange(len(rows.lengths[-1]))
        return WalkRows(
            structure,
            outer,
            len(rows.lengths[-1]),
            rows.up[len(walk.axes) - 1],
            None if walk.tables else np.arange(rows.size),
            1 if walk.tables else rows.size,
            first,
            walk.history,
            self.levels.weight(walk.axes),
            bool(walk.tables),
        )

    # -- the whole E-step --

    def expect(
        self, known: Known, bias: Steer | None = None
    ) -> tuple[Mapping[str, Floats], Posteriors, Kept]:
        """Log evidence by level, the expected sums of each piece's features, by cluster, and rows.

        The rows are those that an M-step asks for, with their posteriors.
        """
        whole = not any(self.data[i].gaps for i in self.pieces)
        if bias is None and self._lone is not None and whole:
            (index,) = self.pieces
            barred = isinstance(known[index][1], Barred)  # its rows are looked at one by one
            fused = None if barred else self._fuse()
            if fused is not None:
                _, unary, pair = known[index]
                table = self.shared[index][1]
                steps = (pair @ table.rows)[:, 0]
                if table.fixed is not None:
                    steps = steps + table.fixed[:, 0]
                found = fused.expect(unary, steps)
                if found is not None:
                    evidence, each, both = found
                    return evidence, {index: (each, expected(both[:, None], table.rows))}, {}
        evidence, posteriors = self.infer(known, EXPECT, bias)
        return evidence, self.sums(posteriors), self._kept(posteriors)

    def _kept(self, posteriors: Posteriors) -> Kept:
        out: Kept = {}
        for i in self.pieces:
            data = self.data[i]
            for cluster in data.piece.kept:
                out[i, cluster] = [
                    data.kept(chunk, None if cluster < 0 else
                              posteriors[i][cluster][:, chunk.start : chunk.stop])
                    for chunk, _ in self.blocks(i)
                ]  # fmt: skip
        return out

    def _as_lone(self) -> tuple[int, Shape] | None:
        """Whether these are chains of one latent without anything around, and their shape."""
        if len(self.pieces) != 1 or self.structure.links or len(self.structure.walks) != 1:
            return None
        (index,), (walk,), (rows,) = self.pieces, self.structure.walks, self.ties.walks
        data = self.data[index]
        if (
            not isinstance(rows.structure, Chains)
            or rows.structure.size == 0
            or len(rows.structure.starts) != rows.above
            or walk.history != 1
            or len(walk.tables) != 1
            or walk.tables[0][0] != index
            or data.piece.axes != walk.axes
            or data.weight is not None
            or data.piece.potentials is not None
            or rows.weight is not None
        ):
            return None
        pair = walk.tables[0][1]
        if pair != 1 or len(data.states) != 2 or data.states[1] != data.states[0] ** 2:
            return None
        shape = shape_of(self.structure.infer, self.ties, self.levels.bound.layout, data.states[0])
        return None if shape is None else (index, shape)

    def _fuse(self) -> Fused | None:
        """The lone chains with their rows in the order in which they are walked."""
        if self._fused is None and self._lone is not None:
            index, shape = self._lone
            rows = self.ties.walks[0]
            each = _all_rows(self.blocks(index), 0)
            chains = rows.structure
            if rows.tables > 1 or each.fixed is not None or isinstance(chains, Trees):
                self._lone = None
                return None
            self._fused = Fused(chains, shape, each.rows)
        return self._fused

    # -- tables --

    def share(self) -> None:
        """Find which rows' steps have the same features: one table serves them all."""
        self.shared = {}
        self._fused = None
        for walk, rows in zip(self.structure.walks, self.ties.walks, strict=True):
            if not walk.tables:
                continue
            found = {
                (piece, cluster): _all_rows(self.blocks(piece), cluster)
                for piece, cluster in walk.tables
            }
            stacked = [s for f in found.values() for s in (signature(f.rows), f.fixed)
                       if s is not None]  # fmt: skip
            columns = np.concatenate([np.reshape(s, (-1, len(rows.first))) for s in stacked])
            self._check_first(walk, columns, rows)
            later = np.flatnonzero(~rows.first)
            which, inverse = distinct_columns(columns[:, later])
            chosen = later[which] if len(later) else np.zeros(1, dtype=np.intp)
            rows.tables = len(chosen)
            rows.index = None
            if rows.tables > 1:
                rows.index = np.zeros(len(rows.first), dtype=np.intp)
                rows.index[later] = inverse
            for (piece, cluster), f in found.items():
                fixed = None if f.fixed is None else f.fixed[:, chosen]
                self.shared.setdefault(piece, {})[cluster] = Shared(
                    at_columns(f.rows, chosen), fixed
                )

    def _check_first(self, walk: Walk, columns: Floats, rows: WalkRows) -> None:
        """No row without one before it may ask for it."""
        wrong = rows.first & (columns != 0.0).any(axis=0)
        if wrong.any():
            row = int(np.argmax(wrong))
            what, before = "the row before it", "it begins a sequence"
            if walk.parent:
                own = int(self.levels.along(walk.parent, walk.axes)[row])
                what = "its parent"
                before = f"its parent is {own}, " + ("none" if own < 0 else "the row itself")
            raise DataError(
                f"row {self.levels.where(walk.axes, row)} depends on {what}, but {before}: "
                "expected the model's start there"
            )

    # -- inference --

    def potentials(
        self, known: Known, bias: Steer | None = None
    ) -> tuple[tuple[tuple[Floats, ...], ...], dict[int, list[Floats]]]:
        """Each piece's log potentials by cluster, continuous latents integrated out of them; and
        the means of these latents' functions.
        """
        given = tuple(
            potentials(
                self.data[i],
                known[i],
                self.shared.get(i, {}),
                self.blocks(i, known.params),
                None if bias is None else partial(bias, i),
            )
            for i in self.pieces
        )
        means: dict[int, list[Floats]] = {}
        for i, own in zip(self.pieces, given, strict=True):
            if self.data[i].piece.integrate is not None:
                layout, steer = self.levels.bound.layout, bias and partial(bias, i)
                rows = self.blocks(i, known.params)
                means[i] = add_integrals(self.data[i], known[i], layout, own, rows, steer)
        return given, means

    def infer(
        self, known: Known, how: How, bias: Steer | None = None
    ) -> tuple[Mapping[str, Floats], Posteriors]:
        """Log evidence by level, and each piece's posteriors by cluster: (states, rows), or
        (states, tables) where rows share tables.
        """
        given, means = self.potentials(known, bias)
        evidence, flat = self.structure.infer(given, self.ties, self.levels.bound.layout, how)
        posteriors = iter(flat)
        found = {
            i: tuple(next(posteriors).reshape(n, -1) for n in finite_states(self.data[i]))
            for i in self.pieces
        }
        for i, mean in means.items():
            found[i] = (*found[i], *weighed(self.data[i], mean, found[i]))
        return evidence, found

    def log_likelihood(self, evidence: Mapping[str, Floats], known: Known) -> float:
        """The log evidence of all rows with their weights.

        Raises ImpossibleError where a row that counts has probability zero.
        """
        total = 0.0
        for axis, rows in evidence.items():
            weight = self.levels.weight(tuple(filter(None, axis.split(","))))
            kept = rows if weight is None else np.where(weight > 0.0, rows, 0.0)
            if kept.min() == -np.inf:
                self._locate(kept, axis, known)
            if weight is not None:
                total += float(kept @ weight)
            else:  # pairwise sums lose no more than a few bits, and are quicker
                total += math.fsum(kept) if len(kept) < _FEW else float(kept.sum())
        return total

    def pointing(self, index: int) -> dict[int, Ints]:
        """The pieces whose rows point to rows of one: where each of their rows points to."""
        axes = self.data[index].piece.axes
        found: dict[int, Ints] = {}
        for i in self.pieces if index in self.pieces else ():
            other = self.data[i].piece.axes
            if i == index:
                continue
            for link, own in zip(self.structure.links, self.ties.links, strict=True):
                if link.source == other and link.target == axes:
                    found.setdefault(i, own.index)
            if other[: len(axes)] == axes:
                found.setdefault(i, self.levels.rows(other).up[len(axes)])
        return found

    def past(self, engine: Any, params: Params) -> Any:
        """What each row's past says, along every chain of the model: a `past.Past`."""
        from emdsl.runtime.filtering import filter_chains  # which needs this class

        return filter_chains(engine, params)

    def sums(self, found: Posteriors) -> Posteriors:
        """Expected sums of each piece's features: over rows, or over tables that rows share."""
        return {i: self._sums(i, posteriors) for i, posteriors in found.items()}

    def _sums(self, index: int, posteriors: tuple[Floats, ...]) -> tuple[Floats, ...]:
        shared = self.shared.get(index, {})
        sums = {c: expected(posteriors[c], table.rows) for c, table in shared.items()}
        for chunk, features in self.blocks(index):
            for c, posterior in enumerate(posteriors):
                if c in shared:
                    continue
                part = posterior[:, chunk.start : chunk.stop]
                if chunk.weight is not None:
                    part = part * chunk.weight
                new = expected(part, features.rows[c])
                sums[c] = sums[c] + new if c in sums else new
        found = tuple(sums[c] for c in sorted(sums))
        data = self.data[index]
        for gaps in data.gaps:
            if gaps.gaps.host >= 0:
                own = data.weight
                whole = posteriors if own is None else tuple(p * own for p in posteriors)
                found = gaps.added(found, 0, data.size, whole, own)
        return found

    def _locate(self, evidence: Floats, axis: str, known: Known) -> NoReturn:
        """Raise ImpossibleError at the first row that can't be, as near as can be told."""
        how = Locate()
        self.infer(known, how)
        for rows, row in how.found:
            for walk, own in zip(self.structure.walks, self.ties.walks, strict=True):
                if own is rows:
                    raise ImpossibleError(walk.axes, row)
        axes = tuple(filter(None, axis.split(",")))
        raise ImpossibleError(axes, int(np.argmin(evidence)))


def _all_rows(blocks: Iterable[tuple[Chunk, Features]], cluster: int) -> Shared:
    """A cluster's features of all rows together."""
    rows, fixed = [], []
    for chunk, features in blocks:
        rows.append(features.rows[cluster])
        part = features.fixed[cluster]
        if part is not None:
            width = chunk.stop - chunk.start
            fixed.append(np.broadcast_to(part, (*part.shape[:-1], width)).reshape(-1, width))
    return Shared(joined(rows), np.concatenate(fixed, axis=1) if fixed else None)


def potentials(
    data: PieceData,
    known: Coefficients,
    shared: Mapping[int, Shared],
    blocks: Iterable[tuple[Chunk, Features]],
    bias: Callable[[Chunk], Bias | None] | None,
) -> tuple[Floats, ...]:
    """Each cluster's log potentials: (states, rows), or (states, tables) where rows share them."""
    piece, states = data.piece, finite_states(data)
    out = [
        np.empty((0, 0)) if c in shared else np.empty((n, data.size)) for c, n in enumerate(states)
    ]
    for chunk, features in blocks:
        steer = bias(chunk) if bias is not None else None
        for c, (rows, fixed) in enumerate(zip(features.rows, features.fixed, strict=True)):
            if c in shared or c >= len(states):
                continue
            part = out[c][:, chunk.start : chunk.stop]
            if type(rows) is np.ndarray and type(known[c + 1]) is np.ndarray:
                np.matmul(known[c + 1], rows, out=part)
            else:
                part[...] = known[c + 1] @ rows
            if fixed is not None:
                part += _flat(fixed, states[c], chunk)
            for name, own in zip(piece.latents, piece.own, strict=True):
                if own == c and steer is not None and name in steer:
                    part += steer[name]
    for c, table in shared.items():
        part = known[c + 1] @ table.rows
        out[c] = part if table.fixed is None else part + table.fixed
    return tuple(out)


def _flat(fixed: Floats, states: int, chunk: Chunk) -> Floats:
    width = chunk.stop - chunk.start
    whole = np.broadcast_to(fixed, (*fixed.shape[:-1], width)).reshape(-1, width)
    return np.broadcast_to(whole, (states, width))
