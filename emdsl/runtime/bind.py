"""Checks the user's data against the model and finds the sizes. All problems come at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.cells import Cells
from emdsl.runtime.errors import DataError
from emdsl.runtime.gather import cell_text, gather, place_text
from emdsl.runtime.given import read_all_ids, read_lengths, take_given
from emdsl.runtime.grouping import group, user_order, verify_places
from emdsl.runtime.lengths import fallback_sizes, readings_of, resolve_lengths, sources_of
from emdsl.runtime.levels import depth, flat, limits, shape_text
from emdsl.runtime.nested import as_rows
from emdsl.runtime.open_ends import closed, crossed, opened
from emdsl.runtime.program import Array, Bound, Layout, Meta
from emdsl.runtime.ragged import form_of, rows_shape
from emdsl.runtime.sizes import resolve_sizes
from emdsl.runtime.supports import EVENT_AXES, INTEGERS, MATRICES, violation

Purpose = Literal["fit", "statistics", "query", "sample"]


def bind(
    meta: Meta,
    data: Any,
    sizes: Mapping[str, Any] | None = None,
    *,
    purpose: Purpose = "fit",
) -> Bound:
    """Check data against the model and put it in the form the engine takes.

    data : a mapping from array names to arrays (lists, NumPy, masked arrays, pandas or polars
        Series or frames); or one array, where the model has one data array; or a frame, whose
        columns are taken by name (`x`, or `x[0]`, `x[1]`, ...), all numeric columns left over
        going to the only data array.
        Ragged data are lists of arrays, or rows with lengths {"T": ...} or ids {"s": ...} beside
        them, or one sequence.
    sizes : sizes chosen, and any others as a check; of a ragged size the lengths.
    purpose : "fit" also refuses what leaves nothing to estimate from; "query" does without
        weights; "sample" asks for inputs only.

    Raises DataError with every problem found.
    """
    problems: list[str] = []
    constants = {name: np.asarray(value) for name, value in meta.constants}
    labels = {z.data for z in meta.latents if z.data is not None}
    optional = set(labels)
    if purpose in ("query", "sample"):
        optional |= {a.name for a in meta.arrays if a.role == "weight"}
    if purpose == "sample":
        optional |= {a.name for a in meta.arrays if a.role == "data"}
    given = take_given(meta, data, sizes or {}, problems)
    lengths_given = read_lengths(meta, given.lengths, problems)
    ids, sound = read_all_ids(meta, given, problems)
    found = gather(meta, given.data, frozenset(optional), problems)
    if lengths_given or ids:
        found = {name: as_rows(cells) for name, cells in found.items()}
    grouped = group(meta, found, given, ids, lengths_given, problems) if sound else None
    for name, value in constants.items():
        found[name] = Cells(value.astype(np.float64), None)
    arrays = {a.name: a for a in meta.arrays}
    bound_as = {a.name: flat(meta, a) for a in meta.arrays}
    found = {
        name: fitted
        for name, cells in found.items()
        if name in arrays
        and (fitted := _fit_shape(meta, arrays[name], cells, problems)) is not None
    }
    found = {name: opened(bound_as[name], cells) for name, cells in found.items()}
    awaited = {a for a in arrays if a not in found and a not in optional}
    names = ", ".join(given.names[a] for a in ids)
    sources = sources_of(meta, found, lengths_given, grouped, names)
    readings = readings_of(meta, sources, problems)
    fallback = fallback_sizes(meta, found, lengths_given)
    resolved = resolve_sizes(meta, found, given.sizes, awaited, problems, readings, fallback)
    lengths = resolve_lengths(
        meta,
        found,
        sources,
        lengths_given,
        resolved,
        problems,
        needed=not awaited,
        broken=not sound or len(lengths_given) < len(given.lengths),
    )
    layout = Layout(resolved, lengths=lengths)
    verify_places(given.places, layout, grouped, problems)
    certain = not problems  # of the lengths
    for name, cells in found.items():
        limit = limits(meta, arrays[name], layout) if certain else None
        array = bound_as[name]
        _check(meta, array, cells, resolved, limit, purpose, name in labels, problems)
    if problems:
        raise DataError(dict.fromkeys(problems))
    out: dict[str, NDArray[Any]] = dict(constants)
    observed: dict[str, NDArray[np.bool_] | None] = dict.fromkeys(constants)
    gaps: dict[str, NDArray[np.bool_]] = {}
    for array in meta.arrays:
        if array.name in constants:
            continue
        if array.name in found:
            own = bound_as[array.name]
            out[array.name], observed[array.name] = _fill(own, found[array.name])
            integrated = _gaps(own, found[array.name])
            if integrated is not None:
                gaps[array.name] = integrated
        elif array.name in labels or array.role == "weight":
            if purpose == "sample":
                continue
            shape = rows_shape(meta, array, layout)
            if array.role == "weight":
                out[array.name], observed[array.name] = np.ones(shape), None
            else:
                out[array.name] = np.zeros(shape, dtype=np.int64)
                observed[array.name] = np.zeros(shape, dtype=np.bool_)
    complete = {name: mask is None for name, mask in observed.items() if name in arrays}
    consts = {a.name: out[a.name] for a in meta.arrays if a.role == "const" and a.name in out}
    return Bound(
        Layout(resolved, complete, consts, lengths),
        out,
        observed,
        form_of(meta, found, lengths_given),
        meta.plates,
        user_order(grouped),
        gaps,
    )


def _fit_shape(meta: Meta, array: Array, cells: Cells, problems: list[str]) -> Cells | None:
    """Give the cells the declared number of axes, where that is no guess."""
    shape, deep = cells.values.shape, depth(meta.plates, array.axes)
    rank = len(flat(meta, array).dims)
    if shape == (0,) and len(array.dims) > 1:
        problems.append(f"{array.name} is empty, expected shape {shape_text(meta, array)}")
        return None
    if len(shape) == rank + 1 and shape[-1] == 1:  # one column of a frame
        missing = None if cells.missing is None else cells.missing[..., 0]
        return replace(cells, values=cells.values[..., 0], missing=missing)
    if len(shape) == rank:
        return cells
    hint = ""
    if deep and not cells.columns:
        hint = f": give a list of arrays, or rows one after the other ({rank}-dimensional)"
    elif len(shape) == 1 and rank == 2 and array.plates == 1:
        hint = f": give one row for each element, for a single column {array.name}.reshape(-1, 1)"
    elif len(shape) == 2 and rank == 1 and cells.columns:
        hint = f": name one of its columns ({', '.join(map(repr, cells.columns))})"
    problems.append(f"{array.name} has shape {shape}, expected {shape_text(meta, array)}{hint}")
    return None


def _check(
    meta: Meta,
    array: Array,
    cells: Cells,
    sizes: Mapping[str, int],
    limit: NDArray[np.int64] | None,
    purpose: Purpose,
    label: bool,
    problems: list[str],
) -> None:
    """Add what is wrong with one array's shape, support and missing cells."""
    name, values, missing = array.name, cells.values, cells.missing
    shape = values.shape
    for axis, dim in enumerate(array.dims):
        if isinstance(dim, int) and shape[axis] != dim:
            declared = shape_text(meta, meta.array(name))
            problems.append(f"{name} has shape {shape}, expected {declared}")
            return
        if shape[axis] == 0:
            what = "rows" if axis < array.plates else "columns"
            problems.append(f"{name} has no {what} (shape {shape}), expected at least one")
            return
    if array.role == "weight":
        _check_weight(array, cells, purpose, problems)
        return
    upper: int | NDArray[np.int64] | None = limit
    if limit is None:
        upper = sizes.get(array.values) if isinstance(array.values, str) else array.values
    own = meta.array(name)  # -1 stands for none of the elements beside it, as of a tree's root
    rootless = own.kind == "index" and own.plates > 0 and own.values == own.dims[own.plates - 1]
    lower = -1 if rootless else 0
    wrong = violation(closed(array, values), array.kind, upper, lower, finite=cells.finite)
    if wrong is not None:
        more = f" ({wrong.count} such)" if wrong.count > 1 else ""
        out = ""
        if (
            isinstance(array.values, str)
            and array.kind in ("category", "index")
            and (upper is not None)
        ):
            top = int(np.broadcast_to(upper, shape)[wrong.index])
            out = f": {array.values} is {top}{' there' if limit is not None else ''}"
        elif wrong.expected == "a finite number":
            out = ": drop the row" if array.missing == "no" else ": mark it missing (NaN)"
        where = place_text(name, wrong.index, cells)
        problems.append(f"{where} is {wrong.found}{more}, expected {wrong.expected}{out}")
    across = crossed(array, values) if wrong is None else None
    if across is not None:
        (first, count), more = across, ""
        more = f" ({count} such)" if count > 1 else ""
        ends = " to ".join(f"{x:.6g}" for x in values[first])
        where = ", ".join(map(str, cells.place(first)))
        problems.append(
            f"{name} row {where} is {ends}{more}, expected an interval: its left end, "
            "then its right one"
        )
    if missing is not None:
        _check_missing(array, cells, missing, purpose, label, problems)


def _check_weight(array: Array, cells: Cells, purpose: Purpose, problems: list[str]) -> None:
    name, values = array.name, cells.values
    bad = ~np.isfinite(values) | (values < 0.0)
    if bad.any():
        index = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
        place = place_text(name, index, cells)
        problems.append(
            f"{place} is {'missing' if np.isnan(values[index]) else f'{values[index]:.6g}'}, "
            "expected a weight: finite and not negative"
        )
    elif purpose == "fit" and not (values > 0.0).any():
        problems.append(f"{name} is zero everywhere, expected a positive weight somewhere")


def _check_missing(
    array: Array,
    cells: Cells,
    missing: NDArray[np.bool_],
    purpose: Purpose,
    label: bool,
    problems: list[str],
) -> None:
    name = array.name
    first = tuple(int(i) for i in np.unravel_index(int(np.argmax(missing)), missing.shape))
    place = place_text(name, first, cells)
    plates, events = tuple(range(array.plates)), tuple(range(array.plates, missing.ndim))
    if array.missing == "no":
        count = int(missing.sum())
        more = f" ({count} such)" if count > 1 else ""
        why = "inputs and consts can't have gaps"
        if array.role == "data":
            why = "other data depend on it, and it can't be integrated out"
        problems.append(f"{place} is missing{more}, expected a value ({why}): "
                        "drop the rows or fill them in")  # fmt: skip
        return
    if array.missing == "row" or array.kind in EVENT_AXES:
        partly = missing.any(axis=events) & ~missing.all(axis=events)
        if partly.any():
            row = tuple(int(i) for i in np.unravel_index(int(np.argmax(partly)), partly.shape))
            inner = missing[row]
            cell = (*row, *(int(i) for i in np.unravel_index(int(np.argmax(inner)), inner.shape)))
            where = cell_text(name, cells.place(cell), cells.columns)
            problems.append(
                f"{name} row {', '.join(map(str, cells.place(row)))} is partly missing "
                f"({where}; {int(partly.sum())} such), expected all "
                "of a row's cells or none: drop the row, fill it in, or model the columns as "
                "independent"
            )
            return
    if purpose != "fit" or label:
        return
    gone = missing.all(axis=plates)
    if gone.all():
        problems.append(f"{name} is missing everywhere, expected at least one value")
    elif gone.any():
        columns = [tuple(int(i) for i in c) for c in np.argwhere(gone)]
        shown = ", ".join(
            repr(cells.columns[c[0]]) if len(c) == 1 and len(cells.columns) > c[0]
            else f"{name}[{', '.join([':'] * array.plates + [str(i) for i in c])}]"
            for c in columns[:4]
        )  # fmt: skip
        problems.append(f"{name}: {shown} is missing in every row, expected at least one value: "
                        "there is nothing to estimate from, drop the column")  # fmt: skip


def _fill(array: Array, cells: Cells) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Put a harmless value where cells are missing, and say which are observed."""
    values, missing = cells.values, cells.missing
    observed: NDArray[np.bool_] | None = None
    if missing is not None:
        events = tuple(range(array.plates, missing.ndim))
        rows = array.missing == "row" or array.kind in EVENT_AXES
        if array.missing == "any":
            seen = np.ones(missing.shape[: array.plates], dtype=np.bool_)
        elif array.missing == "part":
            seen = np.logical_not(missing.all(axis=events))
        else:
            seen = np.logical_not(missing.any(axis=events) if rows else missing)
        observed = None if array.missing in ("any", "part") and seen.all() else seen
        values = np.array(values)
        if rows:
            values[~seen] = values[seen][0] if seen.any() else _neutral(array, values)
        else:
            there = values[~missing]
            values[missing] = there[0] if there.size else _neutral(array, values)
    if array.kind in INTEGERS:
        return values.astype(np.int64), observed
    return np.ascontiguousarray(values).reshape(values.shape), observed  # a number stays one


def _gaps(array: Array, cells: Cells) -> NDArray[np.bool_] | None:
    """The cells to be integrated out; None where there are none."""
    missing = cells.missing
    if missing is None or array.missing not in ("any", "part"):
        return None
    found = missing
    if array.missing == "part":  # of a row that is wholly missing nothing is left to say
        events = tuple(range(array.plates, missing.ndim))
        found = missing & ~missing.all(axis=events, keepdims=True)
    return found if found.any() else None


def _neutral(array: Array, values: NDArray[np.float64]) -> Any:
    """A value in the support, for where no cell at all is observed."""
    if array.kind == "simplex":
        return 1.0 / values.shape[-1]
    if array.kind in MATRICES:
        return np.eye(values.shape[-1])
    return {"positive": 1.0, "shape": 1.0, "unit": 0.5}.get(array.kind, 0.0)
