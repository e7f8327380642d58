"""Answers for the rows of ragged levels, in the form that the data came in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.cells import Cells
from emdsl.runtime.levels import count_rows, depth, plate_of
from emdsl.runtime.program import Array, Bound, Layout, Meta, Plate


def form_of(
    meta: Meta, found: Mapping[str, Cells], lengths: Mapping[str, int | Cells]
) -> Literal["rows", "list", "array"]:
    """How ragged data came: as lists where any array did.

    Without any such data, as when sampling, one length for all stands for rectangular arrays.
    """
    forms = [
        c.form for n, c in found.items()
        if depth(meta.plates, meta.array(n).axes) and meta.array(n).role != "const"
    ]  # fmt: skip
    if not forms and lengths:
        return "array" if all(isinstance(n, int) for n in lengths.values()) else "list"
    if "list" in forms:
        return "list"
    return "array" if forms and all(f == "array" for f in forms) else "rows"


def shaped(bound: Bound, axes: Sequence[str], rows: NDArray[Any]) -> Any:
    """An answer for each row of a level in the form that the user's data have.

    axes : the level's plates, outermost first.
    rows : (rows, ...), in C order of the level.

    Returns (S, T, ...) for a level without ragged plates. Else lists of arrays, one list for each
    plate around the deepest ragged one, where the data came as lists; (S, T, ...) where they came
    so; or else rows, in the order of the user's own.
    """
    layout, plates = bound.layout, bound.plates
    axes = [a for a in axes if not plate_of(plates, a).single]
    deep = depth(plates, axes)
    inner = [_extent(plates, layout, a) for a in axes[deep:]]
    event = rows.shape[1:]
    if not deep:
        return rows.reshape((*inner, *event))
    level = tuple(axes[:deep])
    rows = rows.reshape(count_rows(plates, level, layout.sizes, layout.lengths), *inner, *event)
    if bound.form == "rows":
        return _unordered(bound, level, rows)
    if bound.form == "array":
        extents = [_even(plates, layout, axis) for axis in level]
        if None not in extents:
            return rows.reshape(*(e for e in extents if e is not None), *inner, *event)
    parts: list[Any] = np.split(rows, np.cumsum(layout.lengths[level[-1]])[:-1])
    for i in range(deep - 2, 0, -1):
        outer = count_rows(plates, level[:i], layout.sizes, layout.lengths)
        plate = plate_of(plates, level[i])
        counts = layout.lengths[level[i]] if plate.over else np.full(outer, _extent(
            plates, layout, level[i]))  # fmt: skip
        ends = np.cumsum(counts)
        parts = [parts[end - n : end] for n, end in zip(counts, ends, strict=True)]
    return parts


def places_of(bound: Bound, axes: Sequence[str]) -> Any:
    """The rows of a level in the form of the user's data: arrays of row numbers, in lists or not.

    What the user gives in that form is put in its place by these.
    """
    layout, plates = bound.layout, bound.plates
    rows = count_rows(plates, tuple(axes), layout.sizes, layout.lengths)
    return shaped(bound, axes, np.arange(rows, dtype=np.intp))


def _unordered(bound: Bound, level: tuple[str, ...], rows: NDArray[Any]) -> NDArray[Any]:
    """Rows in the order of the user's own, where ids had put them into another."""
    deepest = max((len(p.outer) for p in bound.plates if p.over), default=0)
    if bound.order is None or len(level) != deepest + 1 or len(bound.order) != len(rows):
        return rows
    out = np.empty_like(rows)
    out[bound.order] = rows
    return out


def _extent(plates: Sequence[Plate], layout: Layout, axis: str) -> int:
    dim = plate_of(plates, axis).dim
    return layout.sizes[dim] if isinstance(dim, str) else dim


def _even(plates: Sequence[Plate], layout: Layout, axis: str) -> int | None:
    """How many elements a plate has in every row around it; None where they differ."""
    if not plate_of(plates, axis).over:
        return _extent(plates, layout, axis)
    lengths = layout.lengths[axis]
    return int(lengths[0]) if (lengths == lengths[0]).all() else None


def rows_shape(meta: Meta, array: Array, layout: Layout) -> tuple[int, ...]:
    """The shape of an array as it is bound."""
    deep = depth(meta.plates, array.axes)
    dims = [d if isinstance(d, int) else layout.sizes[d] for d in array.dims[deep:]]
    if not deep:
        return tuple(dims)
    return (count_rows(meta.plates, array.axes[:deep], layout.sizes, layout.lengths), *dims)
