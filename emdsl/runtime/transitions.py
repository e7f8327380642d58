"""Transition tables as probabilities, applied to many messages at once."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ZERO = -690.0  # log entries from here down count as no transition at all
_FEW = 24  # up to so many tables all products are made and the right one is picked
_LITTLE, _MUCH = 1e-6, 1e6  # tables that add up to less or more are shifted
_DENSE = 1e-60  # where no entry is below, what is lost to underflow can't come back


class Transitions:
    """G tables of K states, exp(tables) = exp(shift[g]) * table[g], from axis 1 to axis 2.

    The shift keeps tables that aren't normalised near one; it is 0 where they are.
    """

    def __init__(self, tables: Floats) -> None:
        self.count, self.states = int(tables.shape[0]), int(tables.shape[1])
        if tables.shape[2] != self.states:
            raise ValueError(f"tables must be (G, K, K), found {tables.shape}")
        self.tables = tables
        self.shift: Floats | None = None
        with np.errstate(over="ignore"):
            table: Floats = np.exp(tables)
        none = tables <= ZERO if float(tables.min(initial=0.0)) <= ZERO else None
        if none is not None:
            table[none] = 0.0
        flat = table.reshape(self.count, -1)
        total = flat @ np.ones(flat.shape[1])
        if not ((total > _LITTLE) & (total < _MUCH)).all():
            table = self._shifted(total, none)
        self.table: Floats = table
        self.least = float(table.min(initial=np.inf))  # of the entries that aren't zero
        if none is not None:
            self.least = float(table.min(initial=np.inf, where=~none))
        self.sparse = none is not None or self.least < _DENSE

    def _shifted(self, total: Floats, none: NDArray[np.bool_] | None) -> Floats:
        """Tables brought near one where they are far from normalised."""
        top = self.tables.max(axis=(1, 2))
        odd = (top > ZERO) & ((total <= _LITTLE) | (total >= _MUCH))
        self.shift = np.where(odd, top, 0.0)
        table: Floats = np.exp(np.maximum(self.tables - self.shift[:, None, None], ZERO))
        if none is not None:
            table[none] = 0.0
        return table

    @cached_property
    def log(self) -> Floats:
        """The tables with -inf for entries that count as zero, unshifted."""
        if not self.sparse:
            return np.array(self.tables)  # contiguous, and writable like any other
        return np.where(self.tables <= ZERO, -np.inf, self.tables)

    @cached_property
    def _ahead_stack(self) -> Floats:
        return self.turned.reshape(-1, self.states)

    @cached_property
    def _back_stack(self) -> Floats:
        return self.table.reshape(-1, self.states)

    @cached_property
    def turned(self) -> Floats:
        """The tables with from and to exchanged, each contiguous."""
        return np.ascontiguousarray(self.table.transpose(0, 2, 1))

    @cached_property
    def _spread(self) -> Floats:
        return np.ascontiguousarray(self.table.transpose(1, 2, 0))

    def rows(self, index: Ints | None, size: int) -> Floats:
        """The table of each row, (K, K, N) or (K, K, 1) where there is but one."""
        if index is None:
            return self.table.transpose(1, 2, 0)
        if self.count == size and np.array_equal(index, np.arange(size)):
            return self._spread
        found: Floats = np.take(self._spread, index, axis=2)
        return found

    def ahead(self, left: Floats, index: Ints | None, out: Floats | None = None) -> Floats:
        """sum_i left[i, n] table[index[n], i, j] as (K, N)."""
        one = 0 if index is None else _same(index)
        found: Floats
        if one is not None or index is None:
            found = np.matmul(self.table[one or 0].T, left, out=out)
        elif self.count <= _FEW:
            found = self._pick(self._ahead_stack @ left, index, out)
        else:
            table = np.take(self._spread, index, axis=2)
            table *= left[:, None, :]
            found = np.add.reduce(table, axis=0, out=out)
        return found

    def back(self, right: Floats, index: Ints | None, out: Floats | None = None) -> Floats:
        """sum_j table[index[n], i, j] right[j, n] as (K, N)."""
        one = 0 if index is None else _same(index)
        found: Floats
        if one is not None or index is None:
            found = np.matmul(self.table[one or 0], right, out=out)
        elif self.count <= _FEW:
            found = self._pick(self._back_stack @ right, index, out)
        else:
            table = np.take(self._spread, index, axis=2)
            table *= right
            found = np.add.reduce(table, axis=1, out=out)
        return found

    def _pick(self, products: Floats, index: Ints, out: Floats | None) -> Floats:
        """Of products (G K, N), those of each column's own table, (K, N)."""
        size = len(index)
        at = index * (self.states * size) + np.arange(size)
        cells = at + (np.arange(self.states) * size)[:, None]
        found: Floats = np.take(products, cells, out=out, mode="clip")
        return found


def _same(index: Ints) -> int | None:
    """The one table that all columns use, if there is one."""
    if not len(index):
        return 0
    first = int(index[0])
    return first if first == index[-1] and bool((index == first).all()) else None
