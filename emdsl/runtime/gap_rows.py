"""The rows with missing cells of one group of arrays, looked at as functions of those cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.feature_columns import distinct_columns
from emdsl.runtime.filling import Filling
from emdsl.runtime.gap_folds import GapFold
from emdsl.runtime.patterns import Ints, Patterns
from emdsl.runtime.program import Features, Floats, Layout, Params
from emdsl.runtime.quadratics import Cell, Quadratic, alike, number_of_points, quadratics

if TYPE_CHECKING:
    from emdsl.runtime.pieces import PieceData


@dataclass(frozen=True, slots=True)
class GapRows:
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


@dataclass(frozen=True, slots=True)
class RowSource:
    """What rows with missing cells are read from: a piece's arrays, and those of a fold of it."""

    data: PieceData
    fold: GapFold | None
    filling: Filling
    layout: Layout
    pivot: Params

    def rows(self, which: Ints, clusters: tuple[int, ...], tied: frozenset[int]) -> GapRows:
        """The rows `which`, for these clusters' features; `tied` ones have latents in the cells.

        The cells taken as variables are all, or those that are ever missing: what is less.
        """
        fill = self.filling
        arrays, along = self._arrays()
        base = {k: v[..., which] if k in along else v for k, v in arrays.items()}
        ever = np.flatnonzero(fill.missing.any(axis=1))
        every = np.arange(len(fill.cells))
        wide = self._contexts(base, every, len(which))
        if number_of_points(len(every)) * len(wide[0]) <= number_of_points(len(ever)) * len(which):
            free, (first, context) = every, wide
        else:
            free, (first, context) = ever, self._contexts(base, ever, len(which))
        cells = [fill.cells[i] for i in free]
        centre, step = fill.centre[free], fill.step[free]
        contexts = {k: v[..., first] if k in along else v for k, v in base.items()}
        found, kind = quadratics(self._features, contexts, along, cells, centre, step, clusters)
        if tied:
            found, kind = _with_kinds(found, kind, tied)
        missing = fill.missing[free][:, which]
        seen = fill.seen[free][:, which]
        values = np.stack([base[n].reshape(-1, len(which))[i] for n, i in cells])
        known = np.where(seen, (values - centre[:, None]) / step[:, None], 0.0)
        patterns = Patterns.of(missing, kind[context])
        return GapRows(which, cells, step, centre, known, context, patterns, found)

    def _contexts(
        self, base: Mapping[str, NDArray[Any]], free: Ints, count: int
    ) -> tuple[Ints, Ints]:
        """The first of the rows that are alike but for free cells, and which each is like."""
        own: dict[str, set[int]] = {}
        for i in free:
            name, place = self.filling.cells[i]
            own.setdefault(name, set()).add(place)
        parts = [np.zeros((1, count))]
        for name in sorted(self._arrays()[1]):
            flat = base[name].reshape(-1, count)
            kept = [i for i in range(len(flat)) if i not in own.get(name, ())]
            parts.append(flat[kept].astype(np.float64))
        return distinct_columns(np.concatenate(parts))

    def _arrays(self) -> tuple[dict[str, NDArray[Any]], frozenset[str]]:
        """All that the rows' features are made of, and which arrays have rows."""
        if self.fold is None:
            return dict(self.data.arrays), self.data.along
        return {**self.data.arrays, **self.fold.arrays}, self.data.along | self.fold.along

    def _features(self, block: Mapping[str, NDArray[Any]]) -> Features:
        own = self.data.piece.features(block, self.layout, self.pivot)
        if self.fold is None:
            return own
        return self.fold.features(own, block, self.layout, self.pivot)


def _with_kinds(
    found: dict[int, Quadratic], kind: Ints, tied: frozenset[int]
) -> tuple[dict[int, Quadratic], Ints]:
    """Kinds of contexts told apart by the slopes of tied clusters, too, which are then by kind."""
    slopes = [(q.slope, q.size) for c in tied if (q := found[c]).slope.shape[-1] > 1]
    if not slopes:
        return found, kind
    _, inverse = alike(slopes)
    _, first, label = np.unique(
        kind * (inverse.max() + 1) + inverse, return_index=True, return_inverse=True
    )
    out = {}
    for c, q in found.items():
        bend = q.bend[..., kind[first]] if q.bend.shape[-1] > 1 else q.bend
        wide = c in tied and q.slope.shape[-1] > 1
        out[c] = replace(q, bend=bend, slope=q.slope[..., first] if wide else q.slope)
    return out, label.reshape(-1)
