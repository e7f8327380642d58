"""Arrays whose rows belong to sequences by ids: rows put in order, repeated values taken once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.cells import Cells
from emdsl.runtime.given import Given, id_chain
from emdsl.runtime.ids import Grouped, Ids, group_rows
from emdsl.runtime.levels import depth
from emdsl.runtime.program import Array, Layout, Meta


def group(
    meta: Meta,
    found: dict[str, Cells],
    given: Given,
    ids: Mapping[str, Ids],
    lengths: Mapping[str, int | Cells],
    problems: list[str],
) -> Grouped | None:
    """Put rows in the order of their ids, in place; a frame without ids is one sequence.

    An array of an enclosing level that has a value for each row gets one for each of its own
    elements, where they agree.
    """
    chain = id_chain(meta) if ids or given.tidy else ()
    if not chain:
        return None
    if given.tidy and not ids and given.lengths:
        ids = _of_lengths(chain, meta, lengths)
        if not ids:
            return None
    if ids:
        rows = len(next(iter(ids.values())).codes)
    else:
        rows = max((len(c.values) for c in found.values() if c.values.ndim), default=0)
    if not rows:
        return None
    grouped = group_rows(chain[:-1], ids, rows)
    names = ", ".join(given.names[a] for a in ids if a in given.names)
    for name, cells in list(found.items()):
        array = meta.array(name)
        deep = depth(meta.plates, array.axes)
        level = _level(meta, array, chain)
        if level is None or cells.counts or not cells.values.ndim:
            continue
        if level == len(chain):
            if len(cells.values) != rows and not names:
                return None  # lengths that don't add up, which is said of them
            if len(cells.values) != rows:
                problems.append(
                    f"{name} has {len(cells.values)} rows (shape {cells.values.shape}) but {names} "
                    f"has {rows} ids, expected one id for each row"
                )
                del found[name]
                continue
            found[name] = _taken(cells, grouped.order)
        elif len(cells.values) == rows:
            once = _once(array, cells, grouped, level, given, ids, problems)
            if once is None:
                del found[name]
            elif level > 1 and not deep:  # rectangular plates: (D, S, ...)
                found[name] = _shaped(once, [int(c[0]) for c in grouped.counts[:level]])
            else:
                found[name] = once
    return grouped


def _of_lengths(
    chain: tuple[str, ...], meta: Meta, lengths: Mapping[str, int | Cells]
) -> dict[str, Ids]:
    """Ids as lengths say them, where the sequences aren't nested."""
    cells = lengths.get(str(meta.plate(chain[-1]).dim))
    if len(chain) != 2 or not isinstance(cells, Cells):
        return {}
    numbers = range(len(cells.values))
    codes = np.repeat(np.arange(len(cells.values)), cells.values.astype(np.int64))
    return {chain[0]: Ids(codes, tuple(numbers))}


def _level(meta: Meta, array: Array, chain: tuple[str, ...]) -> int | None:
    """How many axes of the chain the array's rows stand for; None where it is of another level."""
    deep = depth(meta.plates, array.axes)
    if deep:
        axes, last = array.axes[:deep], chain[len(chain) - 1]
        if axes == chain or (axes[:-1] == chain[:-1]
                             and meta.plate(axes[-1]).dim == meta.plate(last).dim):  # fmt: skip
            return len(chain)
        return deep if axes == chain[:deep] else None
    size = len(array.axes)
    return size if size and array.axes == chain[:size] else None


def _taken(cells: Cells, rows: NDArray[Any]) -> Cells:
    missing = None if cells.missing is None else cells.missing[rows]
    return replace(cells, values=cells.values[rows], missing=missing, rows=rows)


def _shaped(cells: Cells, extents: list[int]) -> Cells:
    shape = (*extents, *cells.values.shape[1:])
    if int(np.prod(extents)) != len(cells.values):
        return cells  # unequal, which is said of the ids
    missing = None if cells.missing is None else cells.missing.reshape(shape)
    return replace(cells, values=cells.values.reshape(shape), missing=missing, rows=None)


def _once(
    array: Array,
    cells: Cells,
    grouped: Grouped,
    level: int,
    given: Given,
    ids: Mapping[str, Ids],
    problems: list[str],
) -> Cells | None:
    """The one value that each element of an enclosing level has in all its rows."""
    own = grouped.rows[level]
    _, first = np.unique(own, return_index=True)
    values = cells.values
    known = values[first][own]
    unlike = ~((values == known) | (np.isnan(values) & np.isnan(known)))
    if unlike.any():
        cell = tuple(int(i) for i in np.argwhere(unlike)[0])
        row, other = cell[0], int(first[own[cell[0]]])
        shown = [
            "missing" if np.isnan(v) else f"{v:.10g}" for v in (values[(other, *cell[1:])],
                                                                values[cell])
        ]  # fmt: skip
        axes = [a for a in grouped.axes[:level] if a in ids]
        where = ", ".join(
            f"{given.names.get(a, a)} = {ids[a].labels[ids[a].codes[row]]!r}" for a in axes
        )
        problems.append(
            f"{array.name} is {shown[0]} in row {other} but {shown[1]} in row {row}"
            f"{f', both of {where}' if where else ''}, expected one value for each "
            f"{array.axes[level - 1]}"
        )
        return None
    return _taken(cells, first)


def user_order(grouped: Grouped | None) -> NDArray[np.intp] | None:
    """The user's row of each row; None where they are the same."""
    if grouped is None or (np.diff(grouped.order) > 0).all():
        return None
    return grouped.order


def verify_places(
    places: Mapping[str, Any],
    layout: Layout,
    grouped: Grouped | None,
    problems: list[str],
) -> None:
    """A column that numbers the elements of sequences (`t`) must increase along each."""
    for axis, value in places.items():
        lengths = layout.lengths.get(axis)
        if lengths is None or (lengths < 1).any():
            continue
        try:
            values = np.asarray(value.to_numpy() if hasattr(value, "to_numpy") else value)
        except ValueError:
            problems.append(f"{axis} has rows of unequal shapes, expected one place for each row")
            continue
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if values.shape != (int(lengths.sum()),):
            problems.append(f"{axis} has shape {values.shape}, expected one place for each of "
                            f"{int(lengths.sum())} rows")  # fmt: skip
            continue
        if values.dtype.kind not in "iufM":
            continue  # names, which have no order
        rows = np.arange(len(values)) if grouped is None else grouped.order
        if len(rows) != len(values):
            continue  # unequal numbers of rows, which is said
        ordered = values[rows]
        falls = ~(ordered[1:] > ordered[:-1])
        falls[np.cumsum(lengths)[:-1] - 1] = False
        if falls.any():
            at = int(np.argmax(falls))
            problems.append(
                f"{axis} goes from {ordered[at]} (row {rows[at]}) to {ordered[at + 1]} "
                f"(row {rows[at + 1]}) within one sequence, expected it to increase: sort the rows"
            )
