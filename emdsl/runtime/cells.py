"""Reads one array-like into floats and a mask of missing cells. Knows no models."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.finite import all_finite

_MISSING_TYPES = frozenset({"NAType", "NaTType", "MaskedConstant"})  # pandas, np.ma


@dataclass(frozen=True, slots=True)
class Cells:
    """Numbers of any shape, NaN where missing; `missing` is None where nothing is.

    `columns` are the names of the frame columns they came from, if they did. Of a ragged array
    that came as lists or rectangular, `values` are its rows, and `counts` holds how many elements
    each level has in each row of the one around it; `form` is how it came. `rows` holds the
    user's row of each row, where they were put into another order. `finite` says that all values
    have been seen to be.
    """

    values: NDArray[np.float64]
    missing: NDArray[np.bool_] | None
    columns: tuple[str, ...] = ()
    counts: tuple[NDArray[np.int64], ...] = ()
    form: Literal["rows", "list", "array"] = "rows"
    rows: NDArray[np.intp] | None = None
    finite: bool = False

    def place(self, index: tuple[int, ...]) -> tuple[int, ...]:
        """Where a cell is in what the user gave: of rows from a list, [sequence, element]."""
        if self.rows is not None and index:
            return (int(self.rows[index[0]]), *index[1:])
        if not self.counts or not index:
            return index
        row, found = index[0], []
        for counts in reversed(self.counts):
            ends = np.cumsum(counts)
            group = int(np.searchsorted(ends, row, side="right"))
            found.append(row - (int(ends[group - 1]) if group else 0))
            row = group
        return (*reversed(found), *index[1:])


class CellError(Exception):
    """A cell isn't a number. `index` is its place, None where there is no one place."""

    def __init__(self, text: str, index: tuple[int, ...] | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.index = index


def read_cells(value: Any) -> Cells:
    """Read lists, NumPy and masked arrays, pandas and polars Series.

    None, NaN, pd.NA and masked cells are missing.

    Raises CellError for strings, dates, complex numbers, other objects and ragged lists.
    """
    if isinstance(value, np.ma.MaskedArray):
        mask: NDArray[np.bool_] = np.ma.getmaskarray(value)
        bare = np.array(value.data)
        if bare.dtype.kind == "O":
            bare[mask] = None
        inner = read_cells(bare)
        if inner.missing is not None:
            mask = mask | inner.missing
        if not mask.any():
            return Cells(inner.values, None)
        return Cells(np.where(mask, np.nan, inner.values), mask)
    return _from_array(_as_array(value), value)


def _as_array(value: Any) -> NDArray[Any]:
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, (set, frozenset, dict)):
        raise CellError(f"is a {type(value).__name__}, expected an array")
    if hasattr(value, "to_numpy"):
        if getattr(getattr(value, "dtype", None), "kind", "") in ("i", "u", "f", "b"):
            try:  # pandas' nullable numbers would otherwise come as objects
                found: NDArray[Any] = value.to_numpy(dtype=np.float64, na_value=np.nan)
                return found
            except (TypeError, ValueError):
                pass
        return np.asarray(value.to_numpy())
    try:
        return np.asarray(value)
    except ValueError:
        raise CellError(*_ragged(value)) from None
    except OverflowError:
        raise CellError("holds an integer too large for a number") from None


def _ragged(value: Any) -> tuple[str, tuple[int, ...] | None]:
    """Say which row of a nested list first differs from row 0."""
    rows = list(value)
    single = [
        not hasattr(r, "__len__") or isinstance(r, str) or getattr(r, "shape", None) == ()
        for r in rows
    ]
    lengths = [-1 if s else len(r) for r, s in zip(rows, single, strict=True)]
    for i, length in enumerate(lengths):
        if length != lengths[0]:
            found = "a single value" if length < 0 else f"{length} values"
            first = "a single value" if lengths[0] < 0 else str(lengths[0])
            return f"row {i} has {found} where row 0 has {first}, expected equal rows", None
    return "has rows of unequal shapes, expected equal ones", None


def _from_array(array: NDArray[Any], original: Any) -> Cells:
    kind = array.dtype.kind
    if kind in ("b", "i", "u"):
        return Cells(array.astype(np.float64), None)
    if kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            values = array.astype(np.float64, copy=False)
        if all_finite(values):
            return Cells(values, None, finite=True)
        missing = np.isnan(values)
        return Cells(values, missing if missing.any() else None)
    if kind in ("U", "S"):
        # a list of numbers and strings has become all strings: look at the originals
        mixed = isinstance(original, (list, tuple))
        return _from_objects(np.array(original, dtype=object) if mixed else array.astype(object))
    if kind == "O":
        return _from_objects(array)
    if kind == "c":
        raise CellError("holds complex numbers, expected real ones")
    if kind in ("M", "m"):
        raise CellError("holds dates or times, expected numbers: convert them, say to days")
    if array.dtype.names:
        raise CellError("is a structured array, expected plain numbers")
    raise CellError(f"has type {array.dtype}, expected numbers")


def _from_objects(array: NDArray[Any]) -> Cells:
    if array.size and all(_nested(v) for v in array.flat):  # a column of lists: one axis more
        parts = [read_cells(v) for v in array.flat]
        shapes = {p.values.shape for p in parts}
        if len(shapes) > 1:
            raise CellError(*_ragged([p.values for p in parts]))
        stacked = np.stack([p.values for p in parts]).reshape(*array.shape, *shapes.pop())
        missing = np.isnan(stacked)
        return Cells(stacked, missing if missing.any() else None)
    out = np.empty(array.size)
    for i, cell in enumerate(array.flat):
        try:
            out[i] = _number(cell)
        except (CellError, OverflowError) as error:
            place = tuple(int(j) for j in np.unravel_index(i, array.shape)) if array.ndim else None
            text = "is an integer too large" if isinstance(error, OverflowError) else str(error)
            raise CellError(text, place) from None
    values = out.reshape(array.shape)
    missing = np.isnan(values)
    return Cells(values, missing if missing.any() else None)


def _nested(cell: Any) -> bool:
    return isinstance(cell, (list, tuple)) or (isinstance(cell, np.ndarray) and cell.ndim > 0)


def _number(cell: Any) -> float:
    if cell is None or type(cell).__name__ in _MISSING_TYPES:
        return math.nan
    if isinstance(cell, (numbers.Real, Decimal, np.bool_)):
        return float(cell)
    if isinstance(cell, (str, bytes)):
        raise CellError(f"is the string {_short(cell)}, expected a number")
    if isinstance(cell, numbers.Complex):
        raise CellError(f"is the complex number {cell}, expected a real one")
    if isinstance(cell, (Sequence, np.ndarray)):
        raise CellError(f"is a {type(cell).__name__}, expected a number (rows of unequal length?)")
    raise CellError(f"is of type {type(cell).__name__}, expected a number")


def _short(text: str | bytes) -> str:
    shown = repr(text)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."


def numeric_column(column: Any) -> bool:
    """Whether a frame's column holds numbers; text throughout isn't a column of numbers.

    Raises CellError where it holds both numbers and text, which is a mistake rather than a label.
    """
    try:
        read_cells(column)
    except CellError as error:
        if error.index is not None and _some_numbers(column):
            raise
        return False
    return True


def _some_numbers(column: Any) -> bool:
    for cell in np.asarray(column, dtype=object).flat:
        if isinstance(cell, str):
            try:
                float(cell)
            except ValueError:
                continue
            return True
        if isinstance(cell, numbers.Real) and not math.isnan(float(cell)):
            return True
    return False
