"""Missing cells of rows that are folded into the rows whose latents they see: groups' rows.

Such rows have a piece of their own for what no latent touches, and a fold of another piece, `home`,
for what they say of its latents. What their missing cells add to natural parameters is added up
at the rows they point to, and the moments of these rows' latents come back to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.gap_ties import Moments
from emdsl.runtime.links import Levels, Tie, added_up, tie
from emdsl.runtime.program import Coefficients, Features, Floats, Fold, Layout, Meta, Params

if TYPE_CHECKING:
    from emdsl.runtime.pieces import PieceData

Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class GapFold:
    """A fold whose rows have missing cells: `arrays` (..., rows) are those that it alone reads."""

    home: PieceData
    fold: Fold
    arrays: Mapping[str, NDArray[Any]]
    along: frozenset[str]
    tie: Tie

    @classmethod
    def of(cls, meta: Meta, levels: Levels, home: PieceData, data: PieceData) -> GapFold:
        """The fold of `home` that a piece's rows have."""
        from emdsl.runtime.pieces import load_arrays  # which needs gaps

        fold = next(f for f in home.piece.folds if f.link.source == data.piece.axes)
        arrays, along = load_arrays(meta, levels, fold.link.source, fold.arrays, fold.views)
        more = {k: v for k, v in arrays.items() if k not in data.arrays}
        return cls(home, fold, more, along & frozenset(more), tie(levels, fold.link))

    def features(
        self, own: Features, block: Mapping[str, NDArray[Any]], layout: Layout, pivot: Params
    ) -> Features:
        """The direct features of a block of rows with those that they give to home's clusters."""
        found = self.fold.features(block, layout, pivot).rows
        rows = [np.zeros((0, 1))] * len(self.home.piece.clusters)
        for cluster, part in zip(self.fold.clusters, found, strict=True):
            rows[cluster] = part
        return replace(own, rows=tuple(rows))

    def coefficients(self, direct: Floats, params: Params, layout: Layout, pivot: Params
                     ) -> Coefficients:  # fmt: skip
        """The rows' direct coefficients with those of home's clusters."""
        return direct, *self.home.piece.coefficients(params, layout, pivot)[1:]

    def gathered(self, which: Ints, values: Floats) -> Floats:
        """What some rows add, (..., b), added up at home's rows, (..., rows of home)."""
        place = self.tie.index[which]
        if self.tie.weight is not None:
            values = values * self.tie.weight[which]
        known = place >= 0
        flat = values.reshape(-1, values.shape[-1])
        found = [added_up(row[known], place[known], self.tie.size) for row in flat]
        return np.stack(found).reshape(*values.shape[:-1], self.tie.size)

    def taken(self, moments: Moments, which: Ints | slice) -> Moments:
        """The moments of what some rows see, out of those of home's rows; none where it is none."""
        place = self.tie.index[which]
        known = place >= 0
        first = np.where(known, moments.first[..., place], 0.0)
        return Moments(first, np.where(known, moments.second[..., place], 0.0))
