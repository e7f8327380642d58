"""Sums and maxima of products of tables over many sites, by summing out a few sites at a time.

A component of sites is enumerated at once where that is possible, else one site after another. Log
tables are NumPy arrays with one axis for each site of their scope, in increasing order. What each
step did is kept: marginals go back over the steps, from the last to the first,

    b(own, outer) = b(outer) exp(G(own, outer) - log sum_own exp G(own, outer))

and so does the most probable configuration. A weighted plate element is a *region*: its own sites
are summed out first, given the outer ones, and its log evidence counts `weight` times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LARGEST = 1 << 18  # configurations enumerated at once
TOO_LARGE = 1 << 22


@dataclass(frozen=True, slots=True)
class Table:
    """Log values over sites (by number, increasing)."""

    scope: tuple[int, ...]
    values: Floats


@dataclass(slots=True)
class Region:
    """Tables and sites that stand in one weighted element and no deeper; its message's weight."""

    weight: float = 1.0
    sites: list[int] = field(default_factory=list)
    tables: list[int] = field(default_factory=list)
    inner: list[Region] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Step:
    """`inputs` were added up to `gathered` and the sites not in `out`'s scope taken away."""

    inputs: tuple[int, ...]
    gathered: Table
    out: int
    weight: float  # of the message, after the sites have gone


@dataclass(slots=True)
class Elimination:
    """All tables, the given ones first, and the steps that made the others.

    `best`: maxima in place of sums.
    """

    counts: Sequence[int]
    tables: list[Table]
    best: bool = False
    largest: int = LARGEST
    steps: list[Step] = field(default_factory=list)

    def run(self, root: Region) -> float:
        """The log of the sum, or of the maximum."""
        return float(self.tables[self._region(root)].values)

    def _region(self, region: Region) -> int:
        """Take away a region's own sites; the number of the table that is left."""
        waiting = [*region.tables, *(self._region(r) for r in region.inner)]
        own = set(region.sites)
        while own:
            group = self._next(own, waiting)
            touched = [i for i in waiting if not group.isdisjoint(self.tables[i].scope)]
            waiting = [i for i in waiting if i not in touched]
            waiting.append(self._take(touched, group, 1.0))
            own -= group
        return self._take(waiting, set(), region.weight)

    def _next(self, own: set[int], waiting: Sequence[int]) -> set[int]:
        """All sites at once, or else the one that needs the smallest table."""
        if self._size({*own, *self._around(own, waiting)}) <= self.largest:
            return own
        best = min(own, key=lambda s: (self._size(self._around({s}, waiting)), s))
        if self._size(self._around({best}, waiting)) > TOO_LARGE:
            raise NotImplementedError("too many configurations to write down")
        return {best}

    def _around(self, sites: set[int], waiting: Sequence[int]) -> set[int]:
        scopes = [set(self.tables[i].scope) for i in waiting]
        return set().union(sites, *(s for s in scopes if not s.isdisjoint(sites)))

    def _size(self, scope: set[int]) -> int:
        return prod(self.counts[s] for s in scope)

    def _take(self, inputs: Sequence[int], sites: set[int], weight: float) -> int:
        scope = tuple(sorted(set().union(*(self.tables[i].scope for i in inputs), sites)))
        gathered: Floats = np.zeros([self.counts[s] for s in scope])
        for i in inputs:
            gathered = gathered + _spread(self.tables[i], scope)
        axes = tuple(i for i, s in enumerate(scope) if s in sites)
        values = gathered.max(axes) if self.best else log_sum(gathered, axes)
        if weight == 0.0:
            values = np.zeros_like(values)  # also what is impossible counts nothing then
        out = Table(tuple(s for s in scope if s not in sites), np.asarray(weight * values))
        self.tables.append(out)
        number = len(self.tables) - 1
        self.steps.append(Step(tuple(inputs), Table(scope, gathered), number, weight))
        return number

    def beliefs(self) -> list[Floats]:
        """For each table the probabilities of its scope's configurations."""
        found: list[Any] = [np.ones(())] * len(self.tables)
        for step in reversed(self.steps):
            scope, gathered = step.gathered.scope, step.gathered.values
            out = self.tables[step.out]
            axes = tuple(i for i, s in enumerate(scope) if s not in out.scope)
            total = np.expand_dims(log_sum(gathered, axes), axes)
            with np.errstate(invalid="ignore"):
                given = np.where(total == -np.inf, 0.0, np.exp(gathered - total))
            belief = given * _spread(Table(out.scope, found[step.out]), scope)
            for i in step.inputs:
                mine = self.tables[i].scope
                found[i] = belief.sum(tuple(n for n, s in enumerate(scope) if s not in mine))
        return found

    def configuration(self) -> dict[int, int]:
        """The value of every site where the product is highest (`best` only)."""
        chosen: dict[int, int] = {}
        for step in reversed(self.steps):
            scope, gathered = step.gathered.scope, step.gathered.values
            at = gathered[tuple(chosen.get(s, slice(None)) for s in scope)]
            free = [s for s in scope if s not in chosen]
            places = np.unravel_index(int(np.argmax(at)), at.shape)
            chosen.update(zip(free, map(int, places), strict=True))
        return chosen


def _spread(table: Table, scope: tuple[int, ...]) -> Floats:
    """The table with an axis of length one for each site it doesn't have."""
    missing = tuple(i for i, s in enumerate(scope) if s not in table.scope)
    return np.expand_dims(table.values, missing)


def log_sum(values: Floats, axes: tuple[int, ...]) -> Floats:
    """log sum exp over some axes; minus infinity where everything is."""
    top = values.max(axes, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        total = np.log(np.exp(values - top).sum(axes))
    return np.asarray(total + top.reshape(total.shape))
