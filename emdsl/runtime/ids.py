"""Columns of ids that say which sequence each row belongs to."""

from __future__ import annotations

import math
import numbers
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.cells import CellError

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ids:
    """One column: for each row the number of its id by first appearance, and the ids themselves."""

    codes: Ints
    labels: tuple[Hashable, ...]


@dataclass(frozen=True, slots=True)
class Grouped:
    """Rows put together by their ids.

    `order` holds the user's row of each row, sequences by first appearance. `rows[i]` holds for
    each of the user's rows its row of the level that the first i axes make; `counts[i]` how many
    elements the i-th axis has in each row of the level around it, the ragged axis last.
    """

    axes: tuple[str, ...]
    order: NDArray[np.intp]
    rows: tuple[Ints, ...]
    counts: tuple[Ints, ...]


def read_ids(value: Any) -> Ids:
    """Ids that are whole numbers or strings (or dates), none missing.

    Raises CellError.
    """
    array = _plain(value)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise CellError(f"has shape {array.shape}, expected one id for each row")
    if not len(array):
        raise CellError("is empty, expected one id for each row")
    if array.dtype.kind in "iuUSMmb":
        if array.dtype.kind in "Mm" and np.isnat(array).any():
            raise CellError("is missing, expected an id", (int(np.argmax(np.isnat(array))),))
        labels, first, inverse = np.unique(array, return_index=True, return_inverse=True)
        rank = np.argsort(first)
        place = np.empty_like(rank)
        place[rank] = np.arange(len(rank))
        return Ids(place[inverse].astype(np.int64), tuple(labels[rank].tolist()))
    codes, seen = np.empty(len(array), dtype=np.int64), dict[Hashable, int]()
    for i, cell in enumerate(array.tolist()):
        codes[i] = seen.setdefault(_id(cell, i), len(seen))
    return Ids(codes, tuple(seen))


def _plain(value: Any) -> NDArray[Any]:
    if isinstance(value, np.ma.MaskedArray):
        array = np.array(value.data, dtype=object)
        array[np.ma.getmaskarray(value)] = None
        return array
    if isinstance(value, (str, bytes, dict, set)):
        raise CellError(f"is a {type(value).__name__}, expected one id for each row")
    if hasattr(value, "to_numpy"):
        return np.asarray(value.to_numpy())
    if isinstance(value, (list, tuple)):  # which NumPy would make all strings if one is
        array = np.empty(len(value), dtype=object)
        for i, cell in enumerate(value):
            array[i] = cell
        return array
    return np.asarray(value)


def _id(cell: Any, row: int) -> Hashable:
    """An id as a key: 2.0 is 2. Raises CellError for a missing one or a fraction."""
    if cell is None or type(cell).__name__ in ("NAType", "NaTType", "MaskedConstant"):
        raise CellError("is missing, expected an id", (row,))
    if isinstance(cell, numbers.Real) and not isinstance(cell, numbers.Integral):
        number = float(cell)
        if math.isnan(number):
            raise CellError("is missing, expected an id", (row,))
        if not math.isfinite(number) or number != math.floor(number):
            text = f"is {number:.10g}, expected ids that are whole numbers or strings"
            raise CellError(text, (row,))
        return int(number)
    try:
        hash(cell)
    except TypeError:
        text = f"is a {type(cell).__name__}, expected ids that are whole numbers or strings"
        raise CellError(text, (row,)) from None
    return cell  # type: ignore[no-any-return]


def group_rows(axes: tuple[str, ...], ids: Mapping[str, Ids], rows: int) -> Grouped:
    """Put rows together by the ids of `axes`, outermost first; an axis without ids has one."""
    group = np.zeros(rows, dtype=np.int64)
    levels, counts = [group], []
    for axis in axes:
        codes = ids[axis].codes if axis in ids else np.zeros(rows, dtype=np.int64)
        pair = group * (int(codes.max()) + 1) + codes
        _, first, inverse = np.unique(pair, return_index=True, return_inverse=True)
        outer = group[first]
        rank = np.lexsort((first, outer))
        place = np.empty_like(rank)
        place[rank] = np.arange(len(rank))
        counts.append(np.bincount(outer).astype(np.int64))
        group = place[inverse].astype(np.int64)
        levels.append(group)
    counts.append(np.bincount(group).astype(np.int64))
    return Grouped(axes, np.argsort(group, kind="stable"), tuple(levels), tuple(counts))
