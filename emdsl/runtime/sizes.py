"""Finds every size of a model: chosen, or read off the arrays, or its default."""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from emdsl.runtime.cells import Cells
from emdsl.runtime.errors import near
from emdsl.runtime.levels import depth
from emdsl.runtime.program import Meta, Size


@dataclass(frozen=True, slots=True)
class Reading:
    """A size as something has it: `text` as in "N is 3 by x", `has` as in "but x has ..."."""

    extent: int
    text: str
    has: str


def resolve_sizes(
    meta: Meta,
    found: Mapping[str, Cells],
    given: Mapping[str, int],
    awaited: Collection[str],
    problems: list[str],
    levels: Mapping[str, list[Reading]] | None = None,
    fallback: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Every size of the model but ragged ones: given, or read off the arrays, or its default.

    awaited : arrays that are needed but not there, which has been said already.
    levels : what lengths, ids and lists of arrays say of the plates around ragged ones.
    fallback : the sizes of such plates where nothing says them.
    """
    chosen, refused = _chosen(meta, given, problems)
    out: dict[str, int] = {}
    for size in meta.sizes:
        name = size.name
        if size.role == "ragged":
            continue
        read = [*(levels or {}).get(name, ()), *_readings(meta, size, found)]
        if name in chosen:
            out[name] = chosen[name]
            problems += [
                f"{name} = {chosen[name]} is asked for but {r.has}"
                for r in read if r.extent != chosen[name]
            ]  # fmt: skip
        elif read:
            out[name] = read[0].extent
            problems += [
                f"{name} is {read[0].extent} by {read[0].text} but {r.extent} by {r.text}: "
                "give them equal lengths"
                for r in read[1:] if r.extent != out[name]
            ]  # fmt: skip
        elif fallback is not None and name in fallback:
            out[name] = fallback[name]
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


def _readings(meta: Meta, size: Size, found: Mapping[str, Cells]) -> list[Reading]:
    """The size off the shapes of arrays; flattened dimensions don't show it."""
    out = []
    for name, axis in size.sources:
        if name not in found or not isinstance(axis, int):
            continue
        deep = depth(meta.plates, meta.array(name).axes)
        if axis < deep:
            continue
        at = axis - deep + 1 if deep else axis
        shape = found[name].values.shape
        text = f"{name} (shape {shape}, axis {at})"
        has = f"{name} has shape {shape}, so {size.name} is {shape[at]} there (axis {at})"
        out.append(Reading(shape[at], text, has))
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
