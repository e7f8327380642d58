"""A model with a number for every size and an array for every name, at one place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.model.graph import Extent, Model, Ragged, Size, Variable
from emdsl.verify.ragged import (
    Lengths,
    Place,
    deepest,
    extent_at,
    padded,
    places_of,
    ragged_sizes,
)

Arrays = Mapping[str, NDArray[Any]]
Site = tuple[str, Place]  # a variable at one place of its plates


class Needed(Exception):
    """The value of a random site was asked for that nobody has chosen yet."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.site = site


@dataclass(frozen=True, slots=True)
class World:
    """Numbers for everything.

    `places` are the plate indices in force; `arguments` the values inside a user's density;
    `random` the discrete sites that are not seen, with their number of values; `continuous` the
    others, with their shape; `values` those chosen, a number or an array.
    """

    model: Model
    sizes: Mapping[str, int]
    lengths: Lengths
    arrays: Arrays
    places: Mapping[str, int] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    random: Mapping[Site, int] = field(default_factory=dict)
    continuous: Mapping[Site, tuple[int, ...]] = field(default_factory=dict)
    values: Mapping[Site, Any] = field(default_factory=dict)

    def at(self, places: Mapping[str, int], values: Mapping[Site, Any]) -> World:
        """The same world at one place, with these values of random sites."""
        return replace(self, places=places, values=values, arguments={})

    def inside(self, arguments: Mapping[str, Any]) -> World:
        """The same world in the body of a user's density."""
        return replace(self, arguments=arguments)

    def extent(self, extent: Extent) -> int:
        """A size as a number."""
        return extent_at(extent, self.model, self.places, self.sizes, self.lengths)

    def each(self, variable: Variable) -> Iterator[Place]:
        """Every place of a variable."""
        return places_of(variable.plates, self.model, self.sizes, self.lengths)

    def read(self, name: str, indices: Place) -> Any:
        """What a name holds at these indices. Raises Needed where that is random and open."""
        variable = next((v for v in self.model.variables if v.name == name), None)
        if variable is None:  # a param or a const
            self._verify(name, indices, self.arrays[name].shape)
            return self.arrays[name][indices]
        count = len(variable.plates)
        site = (name, indices[:count])
        if site in self.values:
            chosen = np.asarray(self.values[site], dtype=float)
            self._verify(name, indices[count:], chosen.shape)
            return chosen[indices[count:]]
        if site in self.random or site in self.continuous:
            raise Needed(site)
        own = dict(zip(variable.plates, indices, strict=False))
        shape = tuple(
            extent_at(self.model.plate(a).extent, self.model, own, self.sizes, self.lengths)
            for a in variable.plates
        )
        event = self.arrays[name].shape[count:] if name in self.arrays else ()
        self._verify(name, indices, (*shape, *event))
        found = self.arrays[name][indices]
        if np.isnan(found).any():
            raise ValueError(f"{name}{list(indices)} is missing and something depends on it")
        return found

    def _verify(self, name: str, indices: Place, shape: tuple[int, ...]) -> None:
        """A negative index would silently read from the end."""
        if any(not 0 <= i < n for i, n in zip(indices, shape, strict=False)):
            raise IndexError(f"{name}{list(indices)} does not exist: its shape is {shape}")


def world_of(
    model: Model, data: Arrays, params: Arrays, sizes: Mapping[str, int] | None = None
) -> World:
    """The world of these data and parameters; sizes are read off both.

    Arrays in ragged plates are rows, with the lengths under the size's name (see `ragged.py`).
    """
    ragged = ragged_sizes(model)
    named = {v.name for v in model.variables} | {c.name for c in model.consts}
    arrays = {n: np.asarray(v, dtype=float) for n, v in data.items() if n in named}
    arrays |= {p.name: np.asarray(params[p.name], dtype=float) for p in model.params}
    arrays |= {
        c.name: np.asarray(c.value, dtype=float) for c in model.consts if c.value is not None
    }
    known = {**_sizes(model, arrays), **(sizes or {})}
    lengths: dict[str, NDArray[np.int64]] = {}
    for name, axes in ragged.items():
        given = np.asarray(data[name] if name in data else _counted(name, axes, model, data))
        outermost = model.plate(axes[0]).extent
        if isinstance(outermost, Size) and (len(axes) == 1 or outermost.name not in known):
            known[outermost.name] = len(given)
        if deepest(axes, model):
            given = np.nan_to_num(padded(name, given, axes, model, known, lengths)).astype(int)
        else:
            shape = [extent_at(model.plate(a).extent, model, {}, known, lengths) for a in axes]
            given = given.reshape(shape)
        lengths[name] = given
    for v in model.variables:
        if v.name in arrays:
            arrays[v.name] = padded(v.name, arrays[v.name], v.plates, model, known, lengths)
    return World(model, known, lengths, arrays)


def _counted(name: str, axes: tuple[str, ...], model: Model, data: Arrays) -> NDArray[np.int64]:
    """Lengths of neighbouring rows of one id, or of all rows as one sequence."""
    if len(axes) == 1 and axes[0] in data:
        ids = np.asarray(data[axes[0]])
        starts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1]))
        if len(np.unique(ids)) != len(starts):
            raise ValueError(f"expected each sequence's rows of {axes[0]} next to each other")
        return np.diff(np.append(starts, len(ids)))
    over = {p.axis for p in model.plates if isinstance(p.extent, Ragged) and p.extent.name == name}
    for v in model.variables:
        rows = v.name in data and deepest(v.plates, model) == 2
        if len(axes) == 1 and rows and v.plates[1] in over:
            return np.array([len(data[v.name])])
    raise ValueError(f"expected the lengths of `{name}[{axes[-1]}]` in data[{name!r}]")


def _sizes(model: Model, arrays: Arrays) -> dict[str, int]:
    """Sizes as defaults, params' shapes, arrays' shapes or largest values say; not ragged ones."""
    known: dict[str, int] = {s.name: s.default for s in model.sizes if s.default is not None}
    for p in model.params:
        for dim, extent in enumerate(p.shape):
            if isinstance(extent, Size):
                known[extent.name] = arrays[p.name].shape[dim]
    plates = {v.name: v.plates for v in model.variables}
    largest: dict[str, int] = {}
    for s in model.sizes:
        for source in s.sources:
            if source.array not in arrays or s.over is not None:
                continue
            array = arrays[source.array]
            rows = deepest(plates.get(source.array, ()), model)
            if source.dim == "values":
                largest[s.name] = max(largest.get(s.name, 0), int(np.nanmax(array)) + 1)
            elif source.dim >= rows:
                known[s.name] = array.shape[source.dim - max(rows - 1, 0)]
    return {**largest, **known}
