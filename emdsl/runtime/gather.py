"""Finds each array of the model in what the user gave, before any size is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emdsl.runtime.cells import CellError, Cells, read_cells
from emdsl.runtime.errors import near
from emdsl.runtime.frames import (
    Table,
    as_table,
    indexed_shape,
    numeric_columns,
    own_columns,
    stack_columns,
)
from emdsl.runtime.given import known_names
from emdsl.runtime.levels import depth, shape_text
from emdsl.runtime.nested import read_nested
from emdsl.runtime.program import Array, Meta


def cell_text(name: str, index: tuple[int, ...] | None, columns: tuple[str, ...] = ()) -> str:
    """A place in an array: x[3, 1], or the frame's column and row."""
    if not index:
        return name
    if columns and len(index) == 2 and index[1] < len(columns):
        return f"column {columns[index[1]]!r} row {index[0]}"
    if columns and len(columns) == 1:
        return f"column {columns[0]!r} row {index[0]}"
    return f"{name}[{', '.join(map(str, index))}]"


def place_text(name: str, index: tuple[int, ...], cells: Cells) -> str:
    """A place in an array as the user gave it, the array's name always in it."""
    text = cell_text(name, cells.place(index), cells.columns)
    return text if text.startswith(name) else f"{name}: {text}"


def gather(
    meta: Meta, data: Any, optional: frozenset[str], problems: list[str]
) -> dict[str, Cells]:
    """Read every array the user gives; what is wrong is added to `problems`.

    optional : names that may be absent.
    """
    wanted = {a.name: a for a in meta.arrays if a.name not in dict(meta.constants)}
    found: dict[str, Cells | None] = {}  # None: given, but not readable
    try:
        table = as_table(data)
    except CellError as error:
        problems.append(f"the frame {error.text}")
        return {}
    if table is None and isinstance(data, Mapping):
        names = list(wanted)
        loose = {n: v for n, v in data.items() if n not in wanted and _column_of(str(n), names)}
        table = Table(loose)
        given = {str(n): v for n, v in data.items() if n not in loose}
        _unknown(meta, given, problems)
        for name, value in given.items():
            if name in wanted:
                _read(meta, wanted[name], value, found, problems)
        left = {n: a for n, a in wanted.items() if n not in given}
        if loose:
            _from_table(meta, left, table, None, found, problems)
    elif table is not None:
        left = wanted
        _from_table(meta, wanted, table, optional, found, problems)
    else:
        left = wanted
        _single(meta, data, wanted, optional, found, problems)
    for name, array in left.items():
        if name not in found and name not in optional:
            where = (f", the frame has columns {', '.join(map(repr, table.columns))}"
                     if table is not None and table.columns else "")  # fmt: skip
            what = f"an array of shape {shape_text(meta, array)}" if array.dims else "a number"
            problems.append(
                f"{name} ({array.role}) is not given, expected {what}{where}: "
                f"pass data={{{name!r}: ...}}"
            )
    return {name: cells for name, cells in found.items() if cells is not None}


def _column_of(name: str, arrays: list[str]) -> bool:
    return any(own_columns(array, [name]) for array in arrays)


def _unknown(meta: Meta, given: Mapping[str, Any], problems: list[str]) -> None:
    constants = dict(meta.constants)
    names = [a.name for a in meta.arrays if a.name not in constants]
    roles = [(a.name, a.role) for a in meta.arrays if a.name not in constants] + known_names(meta)
    known = ", ".join(f"{name} ({role})" for name, role in roles)
    for name in given:
        if name in constants:
            problems.append(
                f"{name} is fixed in the model file, expected only {known}: leave it out"
            )
        elif name not in names:
            problems.append(
                f"{name!r} is no array of {meta.name}, expected {known or 'none'}"
                f"{near(name, [n for n, _ in roles])}"
            )


def _read(
    meta: Meta, array: Array, value: Any, found: dict[str, Cells | None], problems: list[str]
) -> None:
    found[array.name] = None
    deep = depth(meta.plates, array.axes)
    try:
        table = as_table(value)
        if table is not None:
            found[array.name] = stack_columns(table, _chosen(array, table))
        elif deep:
            found[array.name] = read_nested(value, deep, len(array.dims))
        else:
            found[array.name] = read_cells(value)
    except CellError as error:
        hint = ""
        if len(array.axes) > 1 and not deep and "expected equal rows" in error.text:
            inner = meta.plate(array.axes[-1])
            hint = (f": for sequences of unequal lengths write `for {inner.axis} in "
                    f"{inner.dim}[{inner.outer[-1]}]` in the model")  # fmt: skip
        problems.append(f"{_said(array, error)}{hint}")


def _chosen(array: Array, table: Table) -> list[str]:
    """The columns that an array takes of a frame that is given to it by name.

    Raises CellError where a vector's frame has one column of its name among others.
    """
    every = list(table.columns)
    own = own_columns(array.name, every)
    if table.chosen or len(every) == 1 or not own:
        return every
    if own == [array.name] and len(array.dims) > array.plates:
        shown = ", ".join(map(repr, every))
        raise CellError(
            f"is a vector, and its frame has a column {array.name!r} among others ({shown}), "
            f"expected to be told whether that column alone or all of them: pass "
            f"frame[[{array.name!r}]], or frame.to_numpy() for all"
        )
    return own


def _said(array: Array, error: CellError) -> str:
    """What is wrong with a cell of an array, and where."""
    if error.text.startswith("column "):
        text = f"{cell_text(array.name, error.index)}: {error.text}"
    else:
        text = f"{cell_text(array.name, error.index)} {error.text}"
    if array.kind in ("category", "index") and " the string " in text:
        text += ": code the values as whole numbers from 0 (pandas.factorize)"
    return text


def _from_table(
    meta: Meta,
    wanted: Mapping[str, Array],
    table: Table,
    optional: frozenset[str] | None,
    found: dict[str, Cells | None],
    problems: list[str],
) -> None:
    """Columns by name; the only data array takes all numeric columns left over, unless
    `optional` is None.
    """
    taken: set[str] = set()
    bare: list[Array] = []
    for name, array in wanted.items():
        own = own_columns(name, table.columns)
        taken.update(own)
        if not own:
            bare.append(array)
            continue
        found[name] = None
        try:
            shape = indexed_shape(name, own)
            found[name] = stack_columns(table, own, shape or None)
        except CellError as error:
            problems.append(_said(array, error))
    if optional is None:
        return
    data = [a for a in wanted.values() if a.role == "data" and a.name not in optional]
    if len(data) != 1 or data[0] not in bare:
        return
    array = data[0]
    found[array.name] = None
    try:
        names = numeric_columns(table, taken)
        if not names:
            shown = ", ".join(map(repr, table.columns)) or "none"
            problems.append(
                f"{array.name} has no column of its name and no numeric column is left, "
                f"expected columns {array.name} or {array.name}[0], {array.name}[1], ...; "
                f"the frame has {shown}"
            )
        elif len(array.dims) == array.plates and len(names) > 1:
            problems.append(
                f"{array.name} has shape {shape_text(meta, array)} but {len(names)} numeric "
                f"columns fit ({', '.join(map(repr, names))}): name one, data={{{array.name!r}: "
                f"frame[{names[0]!r}]}}"
            )
        else:
            found[array.name] = stack_columns(table, names)
    except CellError as error:
        problems.append(_said(array, error))


def _single(
    meta: Meta,
    data: Any,
    wanted: Mapping[str, Array],
    optional: frozenset[str],
    found: dict[str, Cells | None],
    problems: list[str],
) -> None:
    """One bare array: the model's only data array."""
    if data is None:
        return
    if isinstance(data, (str, bytes)):
        problems.append(
            f"data is the string {data[:40]!r}, expected arrays: read the file first "
            "(numpy.genfromtxt, pandas.read_csv) or use the command line"
        )
        found.update(dict.fromkeys(wanted))
        return
    needed = [a for a in wanted.values() if a.role == "data" and a.name not in optional]
    if len(needed) != 1:
        shown = ", ".join(repr(n) for n in wanted)
        problems.append(
            f"data is one array but {meta.name} has {len(wanted)} ({shown}): "
            "pass a mapping from names to arrays"
        )
        found.update(dict.fromkeys(wanted))
        return
    _read(meta, needed[0], data, found, problems)
