"""Data frames of any library as named columns, and which of them an array of the model takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from emdsl.runtime.cells import CellError, Cells, numeric_column, read_cells

_INDEXED = re.compile(r"^(.*)\[\s*(\d+(?:\s*,\s*\d+)*)\s*\]$")


class Table:
    """Named columns of equal length: what a frame is to emdsl.

    Wrap a plain mapping of columns in it to have it treated as a frame. `chosen` says that an array
    that is given it takes all of its columns in order, whatever their names.
    """

    def __init__(self, columns: Mapping[str, Any], *, chosen: bool = False) -> None:
        self.chosen = chosen
        self.columns = {str(name): column for name, column in columns.items()}

    def __len__(self) -> int:
        return max((len(c) for c in self.columns.values()), default=0)


def as_table(value: Any) -> Table | None:
    """A pandas or polars frame or a structured array as a Table; None for anything else.

    Raises CellError where two columns have the same name.
    """
    if isinstance(value, Table):
        return value
    if isinstance(value, np.ndarray):
        if value.dtype.names and value.ndim == 1:
            return Table({name: value[name] for name in value.dtype.names})
        return None
    if not (hasattr(value, "columns") and hasattr(value, "shape") and hasattr(value, "__len__")):
        return None
    names = [str(name) for name in value.columns]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise CellError(f"has two columns named {twice[0]!r}, expected different names")
    if hasattr(value, "iloc"):
        return Table({name: value.iloc[:, i] for i, name in enumerate(names)})
    return Table({name: value[name] for name in value.columns})


def own_columns(name: str, available: Iterable[str]) -> list[str]:
    """The columns that are array `name`'s by their names: `name`, or `name[0]`, `name[1]`..."""
    names = list(available)
    if name in names:
        return [name]
    found = []
    for column in names:
        match = _INDEXED.match(column)
        if match and match[1].strip() == name:
            found.append((tuple(int(i) for i in match[2].split(",")), column))
    return [column for _, column in sorted(found)]


def indexed_shape(name: str, columns: list[str]) -> tuple[int, ...]:
    """The event shape that columns `name[i, j]` fill.

    Raises CellError where some are absent.
    """
    places = []
    for column in columns:
        match = _INDEXED.match(column)
        if match is None:
            return ()
        places.append(tuple(int(i) for i in match[2].split(",")))
    if len({len(p) for p in places}) > 1:
        raise CellError(f"has columns {', '.join(columns)}, expected as many indices in each")
    shape = tuple(max(axis) + 1 for axis in zip(*places, strict=True))
    for place in np.ndindex(*shape):
        if place not in places:
            shown = ", ".join(map(str, place))
            raise CellError(f"has columns {', '.join(columns)} but no {name}[{shown}]")
    return shape


def numeric_columns(table: Table, taken: Iterable[str]) -> list[str]:
    """The columns of numbers that no other array has taken."""
    found = []
    for name, column in table.columns.items():
        if name in taken:
            continue
        try:
            if numeric_column(column):
                found.append(name)
        except CellError as error:
            raise CellError(
                f"column {name!r} row {error.index[0] if error.index else 0} {error.text}"
            ) from None
    return found


def stack_columns(table: Table, names: list[str], shape: tuple[int, ...] | None = None) -> Cells:
    """Columns side by side: (N, columns), or (N,) + shape where given.

    Raises CellError naming the column and the row.
    """
    if not names:
        raise CellError("is a frame without columns, expected at least one")
    parts = []
    for name in names:
        try:
            parts.append(read_cells(table.columns[name]))
            if not parts[-1].values.ndim:
                raise CellError("is a single value, expected one for each row")
        except CellError as error:
            row = "" if error.index is None else f" row {error.index[0]}"
            raise CellError(f"column {name!r}{row} {error.text}") from None
    if len({p.values.shape for p in parts}) > 1:
        raise CellError("has columns of unequal lengths, expected equal ones")
    values = np.stack([p.values for p in parts], axis=1)
    missing = np.isnan(values)
    if shape is not None:
        values = values.reshape(values.shape[0], *shape)
        missing = missing.reshape(values.shape)
    return Cells(values, missing if missing.any() else None, tuple(names))
