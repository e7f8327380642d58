"""Levels: paths of nested plates whose elements are rows, one after the other.

A level is a tuple of axes, outermost first: ("s", "t") for `for s in S: for t in T[s]`. Its rows
are in C order, so those of one row of an enclosing level stand together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.program import Array, Layout, Meta, Plate

Ints = NDArray[np.int64]


def plate_of(plates: Sequence[Plate], axis: str) -> Plate:
    return next(p for p in plates if p.axis == axis)


def path_of(plate: Plate) -> tuple[str, ...]:
    """The level that a plate's own elements make."""
    return (*plate.outer, plate.axis)


def depth(plates: Sequence[Plate], axes: Sequence[str]) -> int:
    """How many leading axes are flattened into rows: those up to the deepest ragged one, or 0."""
    found = 0
    for i, axis in enumerate(axes):
        if plate_of(plates, axis).over:
            found = i + 1
    return found


def flat(meta: Meta, array: Array) -> Array:
    """The array as it is bound: its ragged plates are one dimension of rows."""
    deep = depth(meta.plates, array.axes)
    if not deep:
        return array
    rows = f"sum({array.dims[deep - 1]})"
    return replace(
        array,
        dims=(rows, *array.dims[deep:]),
        plates=array.plates - deep + 1,
        axes=array.axes[deep - 1 :],
    )


def shape_text(meta: Meta, array: Array) -> str:
    """The declared shape as the user would write it: (N, D), or (S, T[s])."""
    over = [plate_of(meta.plates, axis).over for axis in array.axes]
    over += [""] * (len(array.dims) - len(over))
    shown = [f"{d}[{o}]" if o else str(d) for d, o in zip(array.dims, over, strict=True)]
    return f"({shown[0]},)" if len(shown) == 1 else f"({', '.join(shown)})"


def ragged_sizes(meta: Meta) -> dict[str, Plate]:
    """Each ragged size with the first plate that has it."""
    found: dict[str, Plate] = {}
    for plate in meta.plates:
        if plate.over:
            found.setdefault(str(plate.dim), plate)
    return found


def own_path(meta: Meta, size: str) -> tuple[str, ...]:
    """The level whose rows a ragged size has a length for: `T[s]` has one for each s."""
    plate = ragged_sizes(meta)[size]
    return plate.outer[: plate.outer.index(plate.over) + 1]


def count_rows(
    plates: Sequence[Plate],
    axes: Sequence[str],
    sizes: Mapping[str, int],
    lengths: Mapping[str, Ints],
) -> int:
    """How many rows a level has."""
    rows = 1
    for axis in axes:
        plate = plate_of(plates, axis)
        if plate.over:
            rows = int(lengths[axis].sum())
        else:
            rows *= sizes[plate.dim] if isinstance(plate.dim, str) else plate.dim
    return rows


def links(
    plates: Sequence[Plate], axes: Sequence[str], outer: int, layout: Layout
) -> NDArray[np.intp]:
    """For each row of level `axes`, the row of the level its first `outer` axes make."""
    rows = count_rows(plates, axes[:outer], layout.sizes, layout.lengths)
    found = np.arange(rows)
    for axis in axes[outer:]:
        plate = plate_of(plates, axis)
        if plate.over:
            found = np.repeat(found, layout.lengths[axis])
        else:
            found = np.repeat(found, layout.sizes[plate.dim] if isinstance(plate.dim, str)
                              else plate.dim)  # fmt: skip
    return found


def limits(meta: Meta, array: Array, layout: Layout) -> NDArray[np.int64] | None:
    """How many values each element of an array into a ragged plate has (`index[T]`).

    Its shape broadcasts with the bound array's; None where the array doesn't lie in the plate's
    outer ones, or isn't into a ragged plate.
    """
    plate = ragged_sizes(meta).get(str(array.values))
    if plate is None or plate.axis not in layout.lengths:
        return None
    outer, deep = plate.outer, depth(meta.plates, array.axes)
    if array.axes[: len(outer)] != outer:
        return None
    lengths = layout.lengths[plate.axis]
    after = len(array.dims) - max(deep, len(outer))
    if deep > len(outer):
        own = lengths[links(meta.plates, array.axes[:deep], len(outer), layout)]
        return own.reshape(len(own), *(1,) * after)
    extents = [d if isinstance(d, int) else layout.sizes[d] for d in array.dims[deep : len(outer)]]
    rows = len(lengths) // math.prod(extents)
    return lengths.reshape(*((rows,) if deep else ()), *extents, *(1,) * after)
