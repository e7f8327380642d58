"""Ragged plates as arrays with a corner for every place, NaN where there is no such place.

Data come as rows: all plates of an array down to its deepest ragged one are one leading dimension,
outer plates first, and each ragged size's own name holds the lengths. For `t in T[s]`, x of shape
(sum(T), ...) and T of shape (S,); for `u in U[t]` inside that, U of shape (sum(T),).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.model.graph import Extent, Fixed, Model, Ragged, Size

Lengths = Mapping[str, NDArray[np.int64]]
Place = tuple[int, ...]


def path_of(model: Model, axis: str) -> tuple[str, ...]:
    """The axes from the outermost plate around a plate down to its own."""
    return (*model.plate(axis).outer, axis)


def extent_at(
    extent: Extent,
    model: Model,
    places: Mapping[str, int],
    sizes: Mapping[str, int],
    lengths: Lengths,
) -> int:
    """A size as a number; a ragged one at the places of the plates around it."""
    match extent:
        case Fixed(value=value):
            return value
        case Size(name=name):
            return sizes[name]
        case Ragged(name=name, over=over):
            return int(lengths[name][tuple(places[a] for a in path_of(model, over))])


def places_of(
    axes: tuple[str, ...], model: Model, sizes: Mapping[str, int], lengths: Lengths
) -> Iterator[Place]:
    """Every place of nested plates, the innermost running fastest."""

    def go(done: dict[str, int]) -> Iterator[Place]:
        if len(done) == len(axes):
            yield tuple(done.values())
            return
        axis = axes[len(done)]
        for i in range(extent_at(model.plate(axis).extent, model, done, sizes, lengths)):
            yield from go({**done, axis: i})

    return go({})


def deepest(axes: tuple[str, ...], model: Model) -> int:
    """How many of the leading plates are one dimension of rows: 0 where none is ragged."""
    ragged = [i for i, a in enumerate(axes) if isinstance(model.plate(a).extent, Ragged)]
    return ragged[-1] + 1 if ragged else 0


def ragged_sizes(model: Model) -> dict[str, tuple[str, ...]]:
    """{T: the axes that its lengths run over}, outer sizes first."""
    found = {
        p.extent.name: path_of(model, p.extent.over)
        for p in model.plates
        if isinstance(p.extent, Ragged)
    }
    return dict(sorted(found.items(), key=lambda item: len(item[1])))


def padded(
    name: str,
    rows: NDArray[Any],
    axes: tuple[str, ...],
    model: Model,
    sizes: Mapping[str, int],
    lengths: Lengths,
) -> NDArray[Any]:
    """Rows at their places; an array without ragged plates as it is."""
    count = deepest(axes, model)
    if count == 0:
        return rows
    places = list(places_of(axes[:count], model, sizes, lengths))
    if len(rows) != len(places):
        raise ValueError(f"{name} has {len(rows)} rows, expected {len(places)}: one for each place")
    shape = [max((p[i] for p in places), default=-1) + 1 for i in range(count)]
    out = np.full((*shape, *rows.shape[1:]), np.nan)
    for place, row in zip(places, rows, strict=True):
        out[place] = row
    return out
