"""What users say of ragged plates beside the arrays: lengths, ids of the sequences, places in them.

{"x": rows, "T": lengths}    the size's own name
{"x": rows, "s": ids}        the axis of a plate around a ragged one; its size's name too
{"x": rows, "s": ids, "t": places}    checked to increase, so that rows stand in order
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emdsl.runtime.cells import CellError, Cells
from emdsl.runtime.errors import DataError, near
from emdsl.runtime.frames import Table, as_table
from emdsl.runtime.ids import Ids, read_ids
from emdsl.runtime.levels import own_path, path_of, ragged_sizes
from emdsl.runtime.nested import read_nested
from emdsl.runtime.program import Bound, Meta

_MOST = 2**31  # elements of one sequence: more is no length


@dataclass(frozen=True, slots=True)
class WithLengths:
    """Data of any form with the lengths of its sequences, by the size's name."""

    data: Any
    lengths: Mapping[str, Any]


@dataclass(slots=True)
class Given:
    """The data without what is said of ragged plates, and that: by size, or by axis.

    `names` holds what the user calls each column of ids. `tidy`: each array has a value for each
    row, those of enclosing plates too.
    """

    data: Any
    sizes: dict[str, Any]
    lengths: dict[str, Any] = field(default_factory=dict)
    ids: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    tidy: bool = False


def with_lengths(meta: Meta, data: Any, lengths: Any) -> Any:
    """Data with the lengths of its sequences: an array (or one number), or one for each size.

    Raises DataError.
    """
    if lengths is None:
        return data
    sizes = list(ragged_sizes(meta))
    if isinstance(data, Bound):
        raise DataError("lengths= belongs to new data, but none are given: pass both")
    if not sizes:
        raise DataError(f"lengths= is given but {meta.name} has no ragged plate: leave it out")
    if not isinstance(lengths, Mapping):
        if len(sizes) > 1:
            shown = ", ".join(f"{n!r}: ..." for n in sizes)
            raise DataError(f"lengths is one array but {meta.name} has {len(sizes)} ragged sizes: "
                            f"pass lengths={{{shown}}}")  # fmt: skip
        lengths = {sizes[0]: lengths}
    unknown = [str(n) for n in lengths if n not in sizes]
    if unknown:
        raise DataError([f"lengths: {n!r} is no ragged size of {meta.name}, expected "
                         f"{', '.join(sizes)}{near(n, sizes)}" for n in unknown])  # fmt: skip
    return WithLengths(data, dict(lengths))


def take_given(meta: Meta, data: Any, sizes: Mapping[str, Any], problems: list[str]) -> Given:
    """Part the data from what is said of ragged plates."""
    given = Given(data, dict(sizes))
    ragged = ragged_sizes(meta)
    if not ragged:
        return given
    if isinstance(data, WithLengths):
        given.data = data.data
        given.lengths = dict(data.lengths)
    given.lengths |= {n: given.sizes.pop(n) for n in ragged if n in given.sizes}
    try:
        table = as_table(given.data)
    except CellError:  # which `gather` says
        return given
    columns: Mapping[Any, Any] = table.columns if table is not None else {}
    if table is None and isinstance(given.data, Mapping):
        columns = given.data
    given.tidy = table is not None or all(isinstance(v, Table) for v in columns.values())
    used = set()
    for name, value in columns.items():
        if _take(meta, str(name), value, given, table is not None, problems):
            used.add(name)
    if used:
        rest = {name: value for name, value in columns.items() if name not in used}
        given.data = Table(rest) if table is not None else rest
    return given


def id_axes(meta: Meta) -> tuple[str, ...]:
    """The axes of plates around ragged ones: their elements can be told by ids."""
    inside = {axis for p in meta.plates if p.over for axis in p.outer}
    return tuple(p.axis for p in meta.plates if p.axis in inside)


def known_names(meta: Meta) -> list[tuple[str, str]]:
    """Each name that may stand beside the arrays, with what it is."""
    lengths = [(name, "lengths") for name in ragged_sizes(meta)]
    return [*lengths, *((axis, "ids") for axis in id_axes(meta))]


def _take(
    meta: Meta, name: str, value: Any, given: Given, column: bool, problems: list[str]
) -> bool:
    """Put a column in its place, if it is said of a ragged plate."""
    if any(a.name == name for a in meta.arrays):
        return False
    axes = id_axes(meta)
    ragged = ragged_sizes(meta)
    of_size = {str(meta.plate(a).dim): a for a in axes}
    if name in ragged and not column:
        if name in given.lengths:
            problems.append(f"{name} is given twice, in the data and as lengths= or a size: "
                            "leave one out")  # fmt: skip
        given.lengths[name] = value
        return True
    axis = name if name in axes else of_size.get(name)
    if axis is not None:
        if axis in given.ids:
            problems.append(f"{given.names[axis]} and {name} both hold ids, expected one of them")
        given.ids[axis], given.names[axis] = value, name
        return True
    if any(p.over and p.axis == name for p in meta.plates):
        given.places[name] = value
        return True
    return False


def read_lengths(
    meta: Meta, lengths: Mapping[str, Any], problems: list[str]
) -> dict[str, int | Cells]:
    """Each ragged size's lengths: one number for all, or one for each row of its own level."""
    found: dict[str, int | Cells] = {}
    for name, value in lengths.items():
        deep = len(own_path(meta, name))
        try:
            found[name] = operator.index(value)
        except TypeError:
            try:
                found[name] = read_nested(value, deep, deep)
            except CellError as error:
                problems.append(f"{_at(name, error.index)} {error.text}")
                continue
        cells = found[name]
        if isinstance(cells, int):
            if not 1 <= cells <= _MOST or isinstance(value, (bool, np.bool_)):
                problems.append(f"{name} is {value!r}, expected a whole number of at least 1")
                del found[name]
        elif not _verify_lengths(name, cells, problems):
            del found[name]
    return found


def _verify_lengths(name: str, cells: Cells, problems: list[str]) -> bool:
    values = cells.values
    if values.ndim != 1:
        problems.append(f"{name} has shape {values.shape}, expected the length of each sequence")
        return False
    if not len(values):
        problems.append(f"{name} is empty, expected the length of each sequence")
        return False
    with np.errstate(invalid="ignore"):
        bad = ~((values >= 1) & (values == np.floor(values)) & (values <= _MOST))
    if not bad.any():
        return True
    row = int(np.argmax(bad))
    count = int(bad.sum())
    shown = "missing" if np.isnan(values[row]) else f"{values[row]:.10g}"
    out = ": leave out sequences without elements" if values[row] == 0 else ""
    problems.append(
        f"{_at(name, cells.place((row,)))} is {shown}{f' ({count} such)' * (count > 1)}, "
        f"expected a whole number of at least 1{out}"
    )
    return False


def read_all_ids(meta: Meta, given: Given, problems: list[str]) -> tuple[dict[str, Ids], bool]:
    """The ids by axis, and whether all could be read."""
    found: dict[str, Ids] = {}
    for axis, value in given.ids.items():
        try:
            found[axis] = read_ids(value)
        except CellError as error:
            problems.append(f"{_at(given.names[axis], error.index)} {error.text}")
    lengths = {given.names[axis]: len(i.codes) for axis, i in found.items()}
    sound = len(found) == len(given.ids)
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{n} in {name}" for name, n in lengths.items())
        problems.append(f"the columns of ids have unequal lengths ({shown}), expected equal ones")
        sound = False
    if found and sound:
        chain = id_chain(meta)
        if not chain:
            names = ", ".join(ragged_sizes(meta))
            problems.append(f"ids {', '.join(found)} don't say which of {names} their rows are: "
                            "give the lengths of each, or lists of arrays")  # fmt: skip
            return {}, False
        inner = [a for a in chain[:-1] if a not in found]
        if inner and chain.index(inner[-1]) > min(chain.index(a) for a in found):
            problems.append(f"ids {', '.join(found)} are given but none of {inner[-1]}, expected "
                            "ids of both, or lengths")  # fmt: skip
            sound = False
    return (found, True) if sound else ({}, False)


def id_chain(meta: Meta) -> tuple[str, ...]:
    """The deepest ragged level, where every other ragged plate lies on the way to it; else ()."""
    paths = [path_of(p) for p in meta.plates if p.over]
    longest = max(paths, key=len)
    sizes = ragged_sizes(meta)
    alike = [
        p
        for p in paths
        if longest[: len(p)] == p
        or (p[:-1] == longest[:-1] and meta.plate(p[-1]).dim == meta.plate(longest[-1]).dim)
    ]
    return longest if len(alike) == len(paths) and sizes else ()


def _at(name: str, index: tuple[int, ...] | None) -> str:
    return f"{name}[{', '.join(map(str, index))}]" if index else name
