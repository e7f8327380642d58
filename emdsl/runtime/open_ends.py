"""Arrays of limits, which may be missing or infinite where there is no limit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.cells import Cells
from emdsl.runtime.program import Array

_ABOVE_ZERO = ("positive", "unit")


def opened(array: Array, cells: Cells) -> Cells:
    """Missing limits as infinite ones; of the ends of an interval, unless both are missing.

    A left end that is no more than all values anyway (0 of a positive number) is none.
    """
    if not array.open:
        return cells
    values = np.array(cells.values, dtype=np.float64)
    missing: NDArray[np.bool_] = np.array(
        np.isnan(values) if cells.missing is None else cells.missing
    )
    if array.open == "ends":
        if values.shape[-1] != 2:
            return cells
        both: NDArray[np.bool_] = np.asarray(missing.all(axis=-1))
        for end, infinity in ((0, -np.inf), (1, np.inf)):
            values[..., end][missing[..., end] & ~both] = infinity
        left = values[..., 0]
        if array.kind in _ABOVE_ZERO:
            left[left <= 0.0] = -np.inf
        missing = np.broadcast_to(both[..., None], values.shape)
    else:
        values[missing] = -np.inf if array.open == "lower" else np.inf
        missing = np.zeros_like(missing)
    gone = np.array(missing) if missing.any() else None
    return replace(cells, values=values, missing=gone, finite=False)


def closed(array: Array, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The limits with those that aren't there left out (NaN), to be checked as other values are.

    An infinite limit on the wrong side stays.
    """
    if not array.open:
        return values
    if array.open != "ends":
        none = values == (-np.inf if array.open == "lower" else np.inf)
        return np.where(none, np.nan, values)
    none = np.stack([values[..., 0] == -np.inf, values[..., 1] == np.inf], axis=-1)
    return np.where(none, np.nan, values)


def crossed(array: Array, values: NDArray[np.float64]) -> tuple[tuple[int, ...], int] | None:
    """The first interval whose left end is above its right one, and how many there are."""
    if array.open != "ends":
        return None
    bad = values[..., 0] > values[..., 1]
    if not bad.any():
        return None
    first = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
    return first, int(bad.sum())
