"""Finds every size of a model: chosen, or read off the arrays, or its default."""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping

import numpy as np

from emdsl.runtime.cells import Cells
from emdsl.runtime.errors import near
from emdsl.runtime.program import Meta


def resolve_sizes(
    meta: Meta,
    found: Mapping[str, Cells],
    given: Mapping[str, int],
    awaited: Collection[str],
    problems: list[str],
) -> dict[str, int]:
    """Every size of the model: given, or read off the arrays, or its default.

    awaited : arrays that are needed but not there, which has been said already.
    """
    chosen, refused = _chosen(meta, given, problems)
    out: dict[str, int] = {}
    for size in meta.sizes:
        name = size.name
        read = [(found[a].values.shape[axis], a, axis) for a, axis in size.sources
                if a in found and isinstance(axis, int)]  # fmt: skip
        if name in chosen:
            out[name] = chosen[name]
            for extent, a, axis in read:
                if extent != chosen[name]:
                    problems.append(
                        f"{name} = {chosen[name]} is asked for but {a} has shape "
                        f"{found[a].values.shape}, so {name} is {extent} there (axis {axis})"
                    )
        elif read:
            out[name] = read[0][0]
            for extent, a, axis in read[1:]:
                if extent != out[name]:
                    first = read[0]
                    problems.append(
                        f"{name} is {first[0]} by {first[1]} (shape "
                        f"{found[first[1]].values.shape}, axis {first[2]}) but {extent} by {a} "
                        f"(shape {found[a].values.shape}, axis {axis}): give them equal lengths"
                    )
        elif size.default is not None:
            out[name] = size.default
        else:
            largest = [_largest(found[a]) for a, axis in size.sources
                       if a in found and not isinstance(axis, int)]  # fmt: skip
            if largest:
                out[name] = max(largest)
            elif name in refused:
                continue
            elif size.role == "hyper" or not any(a in awaited for a, _ in size.sources):
                problems.append(f"{name} is not given and can't be read off the data: "
                                f"choose it, {name}=...")  # fmt: skip
    return out


def _largest(cells: Cells) -> int:
    with np.errstate(all="ignore"):
        finite = cells.values[np.isfinite(cells.values)]
    return 1 + max(int(finite.max()), 0) if finite.size else 1


def _chosen(
    meta: Meta, given: Mapping[str, int], problems: list[str]
) -> tuple[dict[str, int], set[str]]:
    """The sizes asked for that can be, and the names of those that can't."""
    known = [s.name for s in meta.sizes]
    chosen: dict[str, int] = {}
    refused: set[str] = set()
    for name, value in given.items():
        if name not in known:
            shown = ", ".join(known) or "none"
            problems.append(f"{name!r} is no size of {meta.name}, expected {shown}"
                            f"{near(str(name), known)}")  # fmt: skip
            continue
        try:
            if isinstance(value, (bool, np.bool_)):
                raise TypeError
            number = operator.index(value)
        except TypeError:
            problems.append(f"{name} = {value!r}, expected a whole number of at least 1")
            refused.add(name)
            continue
        if number < 1:
            refused.add(name)
            problems.append(f"{name} = {number}, expected at least 1")
        else:
            chosen[name] = number
    return chosen, refused
