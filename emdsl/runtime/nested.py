"""Reads ragged arrays: lists of arrays, lists of lists of arrays, rectangular arrays, or rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from emdsl.runtime.cells import CellError, Cells, read_cells
from emdsl.runtime.frames import as_table, stack_columns

_OUT = "leave it out"


def read_nested(value: Any, deep: int, rank: int) -> Cells:
    """The cells of a ragged array as rows, with how many elements each level has.

    value : lists of arrays (`deep` - 1 levels of lists), an array of `rank` dimensions, or rows.
    deep : how many leading dimensions become one dimension of rows.
    rank : the number of dimensions declared.

    For rows alone, `counts` is empty, and nothing is known of their number of dimensions.

    Raises CellError.
    """
    table = as_table(value)
    if table is not None:
        return stack_columns(table, list(table.columns))
    if not _is_list(value):
        cells = read_cells(value)
        return _rectangular(cells, deep) if cells.values.ndim == rank else cells
    levels = _nesting(value)
    if levels in (rank, rank + 1):  # a column too many is one column
        return _from_lists(value, deep, rank)
    try:
        return read_cells(value)
    except CellError as error:
        rows = rank - deep + 1
        if error.index is not None or levels <= rows:
            raise
        raise CellError(f"has {levels} dimensions, expected {rank} (lists of arrays) or {rows} "
                        "(rows)") from None  # fmt: skip


def _is_list(value: Any) -> bool:
    """Whether a value holds others: a list, a tuple, or an array or Series of objects."""
    if isinstance(value, (list, tuple)):
        return True
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "O" and value.ndim == 1 and not np.ma.isMaskedArray(value)
    if not (hasattr(value, "to_numpy") and hasattr(value, "__len__")):
        return False
    if as_table(value) is not None:
        return False
    if getattr(getattr(value, "dtype", None), "kind", None) not in (None, "O"):
        return False
    first: Any = next((v for v in value if v is not None), None)
    return _is_list(first) or np.ndim(first) > 0


def _items(value: Any) -> list[Any]:
    if _is_list(value):
        return list(value)
    table = as_table(value)
    plain = not isinstance(value, (str, bytes, dict, set)) and np.shape(value) != ()
    if table is None and hasattr(value, "__len__") and plain:
        return list(value)
    kind = "frame" if table is not None else type(value).__name__
    raise CellError(f"is a {kind}, expected a list")


def _nesting(value: Any) -> int:
    """How many dimensions a value would have if it were rectangular."""
    if not _is_list(value):
        return 2 if as_table(value) is not None else np.ndim(value)
    inner = [v for v in value if _is_list(v) or hasattr(v, "__len__")]
    inner = [v for v in inner if not isinstance(v, (str, bytes, dict))]
    return 1 + max((_nesting(v) for v in inner), default=0)


def _rectangular(cells: Cells, deep: int) -> Cells:
    """An array of the declared number of dimensions: all lengths are equal."""
    shape = cells.values.shape
    if 0 in shape:
        raise CellError(f"has no rows (shape {shape}), expected at least one")
    rows = np.cumprod([1, *shape[:deep]])
    counts = tuple(np.full(rows[i], shape[i], dtype=np.int64) for i in range(deep))
    missing = None if cells.missing is None else cells.missing.reshape(-1, *shape[deep:])
    return Cells(cells.values.reshape(-1, *shape[deep:]), missing, (), counts, "array")


def as_rows(cells: Cells) -> Cells:
    """A rectangular array of one column as rows, where something else says the lengths."""
    if cells.form == "array" and (cells.counts[-1] == 1).all():
        return replace(cells, counts=(), form="rows")
    return cells


def _from_lists(value: Any, deep: int, rank: int) -> Cells:
    counts: list[list[int]] = [[] for _ in range(deep)]
    leaves = list(_leaves(value, deep - 1, (), counts))
    parts = _leaf_cells(leaves, rank - deep + 1)
    counts[-1] = [len(p.values) for p in parts]
    values = np.concatenate([p.values for p in parts])
    missing = np.isnan(values)
    return Cells(
        values,
        missing if missing.any() else None,
        (),
        tuple(np.array(c, dtype=np.int64) for c in counts),
        "list",
    )


def _leaves(
    node: Any, levels: int, place: tuple[int, ...], counts: list[list[int]]
) -> Iterator[tuple[tuple[int, ...], Any]]:
    """The arrays at the ends of nested lists, each with its place; counts the lists' items."""
    if levels == 0:
        yield place, node
        return
    try:
        items = _items(node)
    except CellError as error:
        raise CellError(error.text, place or None) from None
    if not items:
        out = f": {_OUT}" if place else ""
        raise CellError(f"is empty, expected at least one element{out}", place or None)
    counts[len(place)].append(len(items))
    for i, item in enumerate(items):
        yield from _leaves(item, levels - 1, (*place, i), counts)


def _leaf_cells(leaves: list[tuple[tuple[int, ...], Any]], rank: int) -> list[Cells]:
    """Each array of (elements, ...) with `rank` dimensions, all with the same ones but the first.

    Raises CellError for the first that isn't.
    """
    parts: list[Cells] = []
    for place, leaf in leaves:
        cells = _leaf(leaf, place)
        shape = cells.values.shape
        if shape[:1] == (0,):
            out = f": {_OUT}" if place else ""
            raise CellError(f"is empty, expected at least one element{out}", place)
        if len(shape) == rank + 1 and shape[-1] == 1:
            missing = None if cells.missing is None else cells.missing[..., 0]
            cells = replace(cells, values=cells.values[..., 0], missing=missing)
        elif len(shape) != rank:
            has = f"has shape {shape}" if shape else "is a single value"
            plural = "s" * (rank != 1)
            raise CellError(f"{has}, expected an array of {rank} dimension{plural}", place)
        parts.append(cells)
        first = parts[0].values.shape
        if cells.values.shape[1:] != first[1:]:
            raise CellError(f"has shape {shape} where the first has {first}, expected the same "
                            "but for the first dimension", place)  # fmt: skip
    return parts


def _leaf(leaf: Any, place: tuple[int, ...]) -> Cells:
    """One array's cells; which are missing is looked for when all are together."""
    if type(leaf) is np.ndarray and leaf.dtype == np.float64:
        return Cells(leaf, None)
    try:
        table = as_table(leaf)
        if table is not None:
            return stack_columns(table, list(table.columns))
        return read_cells(leaf)
    except CellError as error:
        raise CellError(error.text, (*place, *(error.index or ()))) from None
