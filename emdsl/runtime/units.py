"""What unit the data are in, and where they lie: starts and references of normal latents use it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdsl.runtime.program import Bound, Meta

_FAR = 3.0  # spreads from zero, from which starts about the data's centre are tried too


@dataclass(frozen=True, slots=True)
class Unit:
    """The typical spread of a data column (1 where none spreads), and the columns' centre."""

    spread: float = 1.0
    centre: float = 0.0

    @property
    def far(self) -> bool:
        """Whether the data lie far from zero, measured by their spread."""
        return abs(self.centre) > _FAR * self.spread


def unit_of(meta: Meta, bound: Bound) -> Unit:
    """Medians over the columns of real data, of their standard deviations and their means.

    What is missing doesn't count, nor the open ends of intervals, which are infinite.
    """
    spreads, centres = [], []
    for array in meta.arrays:
        if array.role != "data" or array.kind != "real" or array.name not in bound.arrays:
            continue
        values = np.asarray(bound.arrays[array.name], dtype=np.float64)
        columns = values.reshape(len(values), -1) if values.ndim > 1 else values.reshape(-1, 1)
        for whole in columns.T:
            column = whole[np.isfinite(whole)]
            if not len(column):
                continue
            spreads.append(float(column.std()))
            centres.append(float(column.mean()))
    known = [s for s in spreads if s > 0.0 and np.isfinite(s)]
    if not known:
        return Unit()
    return Unit(float(np.median(known)), float(np.median(centres)))
