"""The rows of nested plates, and where links from them point.

A level's rows are its plates' elements one after the other, the outermost plate's index moving
slowest: sum over s of T[s] rows for t in T[s].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.errors import DataError
from emdsl.runtime.program import Bound, Floats, Layout, Link, Meta, Place

Ints = NDArray[np.intp]


class Rows:
    """The rows of a level: how many, where each stands along its plates, what rows it is in.

    `size` rows; `places[axis]` (size,) is each row's index along a plate; `up[k]` (size,) the row
    of the level of the first k plates that it is in; `starts` and `lengths` say where the rows of
    each row of the enclosing level are.
    """

    def __init__(self, meta: Meta, layout: Layout, axes: tuple[str, ...]) -> None:
        self.axes = axes
        self.size = 1
        self.places: dict[str, Ints] = {}
        self.up: list[Ints] = [np.zeros(1, dtype=np.intp)]
        self.starts: list[Ints] = []
        self.lengths: list[Ints] = []
        for axis in axes:
            plate = meta.plate(axis)
            if plate.over:
                lengths = np.asarray(layout.lengths[axis], dtype=np.intp)
            else:
                dim = plate.dim if isinstance(plate.dim, int) else layout.sizes[plate.dim]
                lengths = np.full(self.size, dim, dtype=np.intp)
            self._extend(axis, lengths)

    def _extend(self, axis: str, lengths: Ints) -> None:
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.intp)
        parent = np.repeat(np.arange(self.size), lengths)
        self.size = int(lengths.sum())
        self.places = {a: p[parent] for a, p in self.places.items()}
        self.places[axis] = np.arange(self.size) - starts[parent]
        self.up = [*(u[parent] for u in self.up), np.arange(self.size)]
        self.starts.append(starts)
        self.lengths.append(lengths)


class Levels:
    """The rows of every level asked for, made once."""

    def __init__(self, meta: Meta, bound: Bound) -> None:
        self.meta = meta
        self.bound = bound
        self._rows: dict[tuple[str, ...], Rows] = {}

    def rows(self, axes: tuple[str, ...]) -> Rows:
        if axes not in self._rows:
            self._rows[axes] = Rows(self.meta, self.bound.layout, axes)
        return self._rows[axes]

    def path(self, axes: tuple[str, ...], level: tuple[str, ...]) -> tuple[str, ...]:
        """The level of an array over plates `axes`: those that `level` has too, in front."""
        count = 0
        while count < min(len(axes), len(level)) and axes[count] == level[count]:
            count += 1
        return axes[:count]

    def flat(self, name: str, count: int, *, mask: bool = False) -> NDArray[Any] | None:
        """An array with its first `count` plates as one axis of rows, or its mask (may be None)."""
        array = self.meta.array(name)
        value = self.bound.observed[name] if mask else self.bound.arrays[name]
        if value is None:
            return None
        value = np.asarray(value)
        if count == 1 and not self.meta.plate(array.axes[0]).over:
            return value
        size = self.rows(array.axes[:count]).size
        sizes = self.bound.layout.sizes
        inner = [sizes[d] if isinstance(d, str) else d for d in array.dims[count : array.plates]]
        tail = value.shape[value.ndim - (len(array.dims) - array.plates) :] if not mask else (
            value.shape[value.ndim - self._mask_tail(name, value.ndim) :])  # fmt: skip
        return value.reshape(size, *inner, *tail)

    def _mask_tail(self, name: str, rank: int) -> int:
        """How many event dimensions a mask has: none, or the array's."""
        array = self.meta.array(name)
        events = len(array.dims) - array.plates
        return events if rank >= self.bound.arrays[name].ndim else 0

    def gaps(self, name: str, level: tuple[str, ...]) -> NDArray[np.bool_] | None:
        """Which cells of a level's own array are to be integrated out, (rows, ...)."""
        mask = self.bound.gaps.get(name)
        if mask is None:
            return None
        value = self.flat(name, len(level))
        assert value is not None
        return mask.reshape(value.shape)

    def along(self, name: str, level: tuple[str, ...], *, mask: bool = False) -> Any:
        """An array's entries for each row of a level that its plates enclose, (rows, ...)."""
        array = self.meta.array(name)
        own = self.path(array.axes, level)
        value = self.flat(name, len(own), mask=mask)
        if value is None or own == level:
            return value
        return value[self.rows(level).up[len(own)]]

    def name(self, axes: tuple[str, ...]) -> str:
        """A level as its plates' sizes: "N", "S, T"; "all" where there is one row in all."""
        plates = [self.meta.plate(a) for a in axes]
        return ", ".join(str(p.dim) for p in plates if not p.single) or "all"

    def where(self, axes: tuple[str, ...], row: int) -> str:
        """A row as its places along its plates: "3 of N", or "s = 0, t = 3"."""
        if len(axes) < 2:
            return f"{row} of {self.name(axes)}"
        places = self.rows(axes).places
        return ", ".join(f"{axis} = {places[axis][row]}" for axis in axes)

    def weight(self, axes: tuple[str, ...]) -> Floats | None:
        """How often each row of a level counts: the product of its plates' weights; None: once."""
        return self.within(axes, ())

    def within(self, axes: tuple[str, ...], outer: tuple[str, ...]) -> Floats | None:
        """How often each row counts within its row of an enclosing level."""
        found: Floats | None = None
        for axis in axes[len(outer) :]:
            name = self.meta.plate(axis).weight
            if name and name in self.bound.arrays:
                own = np.asarray(self.along(name, axes), dtype=np.float64)
                found = own if found is None else found * own
        return found

    # -- links --

    def point(
        self, source: tuple[str, ...], target: tuple[str, ...], places: tuple[Place, ...]
    ) -> Ints:
        """The row of `target` that each row of `source` points to, -1 where there is none."""
        here, there = self.rows(source), self.rows(target)
        row = np.zeros(here.size, dtype=np.intp)
        valid = np.ones(here.size, dtype=np.bool_)
        for k, (kind, name, value) in enumerate(places):
            if kind == "axis":
                index = here.places[name] - value
            elif kind == "array":
                index = np.asarray(self.along(name, source), dtype=np.intp)
            else:
                index = np.full(here.size, value, dtype=np.intp)
            length = there.lengths[k][row]
            beyond = valid & ((index >= length) | ((index < 0) & (kind == "number")))
            if beyond.any():
                at = int(np.argmax(beyond))
                what = name or "the index"
                raise DataError(
                    f"{what} is {index[at]} for row {at} of {', '.join(source)}, but there are "
                    f"only {length[at]} elements along {target[k]} there"
                )
            valid &= index >= 0
            row = there.starts[k][row] + np.where(valid, index, 0)
            row = np.where(valid, row, 0)
        return np.where(valid, row, -1)


def added_up(values: Floats, place: Ints, size: int) -> Floats:
    """Sums (size,) of the values at each place."""
    total: Floats = np.bincount(place, values, minlength=size).astype(np.float64, copy=False)
    return total


@dataclass(frozen=True, slots=True)
class Tie:
    """A link with its rows: `index` (source rows,) into `size` target rows, -1 for none.

    `weight` (source rows,) counts the replicates of a source row within its target row.
    """

    index: Ints
    size: int
    weight: Floats | None
    first: Ints | None  # where the source rows of each target row begin, if they follow each other
    complete: bool  # every source row points to one

    def add(self, x: Floats) -> Floats:
        """Add up log factors (..., source rows) at the rows they point to, (..., target rows)."""
        if self.weight is not None:
            x = np.where(self.weight > 0.0, x, 0.0) * self.weight
        if self.first is not None:
            whole: Floats = np.add.reduceat(x, self.first, axis=-1)
            return whole
        flat = x.reshape(-1, x.shape[-1])
        place, kept = self.index, flat
        if not self.complete:
            known = self.index >= 0
            place, kept = self.index[known], flat[:, known]
        out = np.stack([added_up(row, place, self.size) for row in kept])
        return out.reshape(*x.shape[:-1], self.size)

    def take(self, x: Floats) -> Floats:
        """What the rows pointed to have, for each source row; zero where there is none."""
        if not x.shape[-1]:
            return np.zeros((*x.shape[:-1], len(self.index)))
        found: Floats = np.take(x, self.index, axis=-1, mode="clip")
        return found if self.complete else np.where(self.index >= 0, found, 0.0)


def tie(levels: Levels, link: Link) -> Tie:
    """A link's rows. A row counts within the row it is in, or for what it points to, as often as
    its plates' weights say.
    """
    index = levels.point(link.source, link.target, link.places)
    size = levels.rows(link.target).size
    shared = 0  # enclosing rows that both are in
    for (kind, name, lag), target, source in zip(
        link.places, link.target, link.source, strict=False
    ):
        if (kind, name, lag) != ("axis", target, 0) or source != target:
            break
        shared += 1
    weight = None
    if link.target != link.source:
        weight = levels.within(link.source, link.target[:shared])
    if weight is not None and (weight == 1.0).all():
        weight = None
    contiguous = len(index) > 0 and bool((np.diff(index) >= 0).all()) and bool(index[0] >= 0)
    first = np.searchsorted(index, np.arange(size)) if contiguous else None
    if first is not None and len(np.unique(index)) != size:
        first = None  # some target row has none
    return Tie(index, size, weight, first, bool((index >= 0).all()))
