"""Checks the user's data against the model and finds the sizes. All problems come at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.cells import Cells
from emdsl.runtime.errors import DataError
from emdsl.runtime.gather import cell_text, gather, shape_text
from emdsl.runtime.program import Array, Bound, Layout, Meta
from emdsl.runtime.sizes import resolve_sizes
from emdsl.runtime.supports import EVENT_AXES, INTEGERS, violation

Purpose = Literal["fit", "statistics", "query", "sample"]


def bind(
    meta: Meta,
    data: Any,
    sizes: Mapping[str, int] | None = None,
    *,
    purpose: Purpose = "fit",
) -> Bound:
    """Check data against the model and put it in the form the engine takes.

    data : a mapping from array names to arrays (lists, NumPy, masked arrays, pandas or polars
        Series or frames); or one array, where the model has one data array; or a frame, whose
        columns are taken by name (`x`, or `x[0]`, `x[1]`, ...), all numeric columns left over
        going to the only data array.
    sizes : sizes chosen, and any others as a check.
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
    found = gather(meta, data, frozenset(optional), problems)
    for name, value in constants.items():
        found[name] = Cells(value.astype(np.float64), None)
    arrays = {a.name: a for a in meta.arrays}
    found = {
        name: fitted
        for name, cells in found.items()
        if name in arrays and (fitted := _fit_shape(arrays[name], cells, problems)) is not None
    }
    awaited = {a for a in arrays if a not in found and a not in optional}
    resolved = resolve_sizes(meta, found, sizes or {}, awaited, problems)
    for name, cells in found.items():
        _check(arrays[name], cells, resolved, purpose, name in labels, problems)
    if problems:
        raise DataError(dict.fromkeys(problems))
    out: dict[str, NDArray[Any]] = dict(constants)
    observed: dict[str, NDArray[np.bool_] | None] = dict.fromkeys(constants)
    for array in meta.arrays:
        if array.name in constants:
            continue
        if array.name in found:
            out[array.name], observed[array.name] = _fill(array, found[array.name])
        elif array.name in labels or array.role == "weight":
            if purpose == "sample":
                continue
            shape = [resolved[d] if isinstance(d, str) else d for d in array.dims]
            if array.role == "weight":
                out[array.name], observed[array.name] = np.ones(shape), None
            else:
                out[array.name] = np.zeros(shape, dtype=np.int64)
                observed[array.name] = np.zeros(shape, dtype=np.bool_)
    complete = {name: mask is None for name, mask in observed.items() if name in arrays}
    consts = {a.name: out[a.name] for a in meta.arrays if a.role == "const" and a.name in out}
    return Bound(Layout(resolved, complete, consts), out, observed)


def _fit_shape(array: Array, cells: Cells, problems: list[str]) -> Cells | None:
    """Give the cells the declared number of axes, where that is no guess."""
    shape, rank = cells.values.shape, len(array.dims)
    if shape == (0,) and rank > 1:
        problems.append(f"{array.name} is empty, expected shape {shape_text(array)}")
        return None
    if len(shape) == rank + 1 and shape[-1] == 1:  # one column of a frame
        missing = None if cells.missing is None else cells.missing[..., 0]
        return Cells(cells.values[..., 0], missing, cells.columns)
    if len(shape) == rank:
        return cells
    hint = ""
    if len(shape) == 1 and rank == 2 and array.plates == 1:
        hint = f": give one row for each element, for a single column {array.name}.reshape(-1, 1)"
    elif len(shape) == 2 and rank == 1 and cells.columns:
        hint = f": name one of its columns ({', '.join(map(repr, cells.columns))})"
    problems.append(f"{array.name} has shape {shape}, expected {shape_text(array)}{hint}")
    return None


def _check(
    array: Array,
    cells: Cells,
    sizes: Mapping[str, int],
    purpose: Purpose,
    label: bool,
    problems: list[str],
) -> None:
    """Add what is wrong with one array's shape, support and missing cells."""
    name, values, missing = array.name, cells.values, cells.missing
    shape = values.shape
    for axis, dim in enumerate(array.dims):
        if isinstance(dim, int) and shape[axis] != dim:
            problems.append(f"{name} has shape {shape}, expected {shape_text(array)}")
            return
        if shape[axis] == 0:
            what = "rows" if axis < array.plates else "columns"
            problems.append(f"{name} has no {what} (shape {shape}), expected at least one")
            return
    if array.role == "weight":
        _check_weight(array, cells, purpose, problems)
        return
    upper = sizes.get(array.values) if isinstance(array.values, str) else array.values
    wrong = violation(values, array.kind, upper)
    if wrong is not None:
        more = f" ({wrong.count} such)" if wrong.count > 1 else ""
        out = ""
        if isinstance(array.values, str) and array.kind in ("category", "index") and upper:
            out = f": {array.values} is {upper}"
        elif wrong.expected == "a finite number":
            out = ": drop the row" if array.missing == "no" else ": mark it missing (NaN)"
        where = cell_text(name, wrong.index, cells.columns)
        where = where if where.startswith(name) else f"{name}: {where}"
        problems.append(f"{where} is {wrong.found}{more}, expected {wrong.expected}{out}")
    if missing is not None:
        _check_missing(array, cells, missing, purpose, label, problems)


def _check_weight(array: Array, cells: Cells, purpose: Purpose, problems: list[str]) -> None:
    name, values = array.name, cells.values
    bad = ~np.isfinite(values) | (values < 0.0)
    if bad.any():
        index = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
        place = cell_text(name, index, cells.columns)
        place = place if place.startswith(name) else f"{name}: {place}"
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
    place = cell_text(name, first, cells.columns)
    place = place if place.startswith(name) else f"{name}: {place}"
    plates, events = tuple(range(array.plates)), tuple(range(array.plates, missing.ndim))
    if array.missing == "no":
        count = int(missing.sum())
        more = f" ({count} such)" if count > 1 else ""
        what = "inputs and consts" if array.role in ("input", "const") else "this array"
        problems.append(f"{place} is missing{more}, expected a value ({what} can't have gaps): "
                        "drop the rows or fill them in")  # fmt: skip
        return
    if array.missing == "row" or array.kind in EVENT_AXES:
        partly = missing.any(axis=events) & ~missing.all(axis=events)
        if partly.any():
            row = tuple(int(i) for i in np.unravel_index(int(np.argmax(partly)), partly.shape))
            inner = missing[row]
            cell = (*row, *(int(i) for i in np.unravel_index(int(np.argmax(inner)), inner.shape)))
            problems.append(
                f"{name} row {', '.join(map(str, row))} is partly missing "
                f"({cell_text(name, cell, cells.columns)}; {int(partly.sum())} such), expected all "
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
        seen: NDArray[np.bool_] = np.logical_not(missing.any(axis=events) if rows else missing)
        observed = seen
        values = np.array(values)
        if rows:
            values[~seen] = values[seen][0] if seen.any() else _neutral(array, values)
        else:
            values[missing] = values[seen][0] if seen.any() else _neutral(array, values)
    if array.kind in INTEGERS:
        return values.astype(np.int64), observed
    return np.ascontiguousarray(values).reshape(values.shape), observed  # a number stays one


def _neutral(array: Array, values: NDArray[np.float64]) -> Any:
    """A value in the support, for where no cell at all is observed."""
    if array.kind == "simplex":
        return 1.0 / values.shape[-1]
    if array.kind == "posdef":
        return np.eye(values.shape[-1])
    return {"positive": 1.0, "unit": 0.5}.get(array.kind, 0.0)
