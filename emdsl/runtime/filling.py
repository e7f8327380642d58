"""Where missing cells that are integrated out are, and what stands in for them meanwhile."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.program import Floats
from emdsl.runtime.quadratics import Cell, cells_of, centres_and_steps, powers_of_two

Masks = NDArray[np.bool_]


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
        seen = np.concatenate([_observed(arrays, n) for n in names]) & ~missing
        values = np.concatenate([arrays[n].reshape(-1, width) for n in names])
        return cls(cells, missing, seen, *centres_and_steps(values, seen))

    def measure(self, size: float) -> None:
        """Take steps of this size where the data show none: as far as the parameters may be."""
        unknown = ~self.seen.any(axis=1) & (self.centre == 0.0) & (self.step == 1.0)
        self.step = np.where(unknown, powers_of_two(np.asarray(size)), self.step)

    def fill(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The arrays with the centres in missing cells, of those there are; changed are copies."""
        out = dict(arrays)
        for name in dict.fromkeys(n for n, _ in self.cells if n in arrays):
            own = [i for i, (n, _) in enumerate(self.cells) if n == name]
            if not self.missing[own].any():
                continue
            flat = arrays[name].reshape(len(own), -1)
            out[name] = np.where(self.missing[own], self.centre[own, None], flat).reshape(
                arrays[name].shape
            )
        return out


def _observed(arrays: Mapping[str, NDArray[Any]], name: str) -> Masks:
    """An array's mask, by row or by entry, for every entry (entries, B)."""
    shape, width = arrays[name].shape, arrays[name].shape[-1]
    mask = arrays.get(f"{name} observed")
    if mask is None:
        return np.ones((math.prod(shape[:-1]), width), dtype=np.bool_)
    own = (*mask.shape[:-1], *(1,) * (len(shape) - mask.ndim), width)
    return np.broadcast_to(mask.reshape(own), shape).reshape(-1, width)
