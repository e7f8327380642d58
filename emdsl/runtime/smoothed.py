"""What is known of the states given all the data: evidence, posteriors and pair marginals."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.transitions import Transitions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Links:
    """Pair marginals in parts: p(z_parent = i, z_n = j) = left[i, n] table[i, j] right[j, n].

    left, right : (K, N); right is 0 at first rows and where the pair is in `pairs` instead
    rows, pairs : (F,) and (K, K, F), rows whose pair marginals don't fit in that product
    """

    left: Floats
    right: Floats
    rows: Ints
    pairs: Floats


@dataclass(frozen=True)
class Filtering:
    """The fields of `Smoothed` of the same names."""

    filtered: Floats
    predicted: Floats
    log_scale: Floats


class Source(Protocol):
    """Where a `Smoothed` gets what is only made when asked for."""

    def links(self) -> Links:
        """All pair marginals, in parts."""

    def total(self) -> Floats | None:
        """All pairs added up, (K, K), without the table, where that is quicker; else None."""

    def filtering(self) -> Filtering:
        """What is known of each state given its past."""


class Smoothed:
    """States given all the data.

    evidence  : (S,) log evidence of each sequence or tree, -inf where it is impossible
    posterior : (K, N) p(z_n | data), zeros in impossible sequences

    Where a workspace was given this holds only until that workspace is used again.
    """

    def __init__(
        self,
        evidence: Floats,
        posterior: Floats,
        transitions: Transitions,
        index: Ints | None,
        source: Source,
    ) -> None:
        self.evidence, self.posterior = evidence, posterior
        self._transitions, self._index, self._source = transitions, index, source

    @cached_property
    def links(self) -> Links:
        return self._source.links()

    @cached_property
    def _filtering(self) -> Filtering:
        return self._source.filtering()

    @property
    def filtered(self) -> Floats:
        """p(z_t | x_0..t), (K, N); zeros from the first impossible row of a sequence on."""
        return self._filtering.filtered

    @property
    def predicted(self) -> Floats:
        """p(z_t | x_0..t-1), (K, N); NaN at first rows, zeros after impossible ones."""
        return self._filtering.predicted

    @property
    def log_scale(self) -> Floats:
        """log p(x_t | x_0..t-1), (N,); -inf from the first impossible row of a sequence on."""
        return self._filtering.log_scale

    def pairs(self, weight: Floats | None = None) -> Floats:
        """Sums over rows that aren't first of weight[n] p(z_parent, z_n | data), (G, K, K)."""
        table = self._transitions.table
        if self._index is None and weight is None:
            total = self._source.total()
            if total is not None:
                return total[None] * table
        parts = self.links
        right = parts.right if weight is None else parts.right * weight
        if self._index is None:
            found = (parts.left @ right.T)[None] * table
        else:
            found = self._by_table(parts.left, right) * table
        if len(parts.rows):
            odd = parts.pairs if weight is None else parts.pairs * weight[parts.rows]
            tables = np.zeros(len(parts.rows), np.int64)
            if self._index is not None:
                tables = self._index[parts.rows]
            np.add.at(found, tables, odd.transpose(2, 0, 1))
        return found

    def _by_table(self, left: Floats, right: Floats) -> Floats:
        """Sums of left[i, n] right[j, n] over the rows of each table, (G, K, K)."""
        assert self._index is not None
        states, size = left.shape
        count = self._transitions.count
        found = np.zeros((count, states, states))
        if 8 * count <= size:
            # NumPy sorts 16-bit integers by radix, ten times as fast
            small = self._index.astype(np.int16) if count < 1 << 15 else self._index
            order = np.argsort(small, kind="stable")
            ends = np.searchsorted(small[order], np.arange(count + 1)).tolist()
            left, right = left[:, order], right[:, order]
            for g, (i, j) in enumerate(itertools.pairwise(ends)):
                found[g] = left[:, i:j] @ right[:, i:j].T
            return found
        rows = np.flatnonzero(right.any(axis=0))
        index = self._index[rows]
        alone = bool((index[1:] > index[:-1]).all())  # each row has a table of its own
        if not alone:
            order = np.argsort(index, kind="stable")
            rows, index = rows[order], index[order]
        products = left.T[rows][:, :, None] * right.T[rows][:, None, :]
        if not alone:
            index, starts = np.unique(index, return_index=True)
            products = np.add.reduceat(products, starts, axis=0)
        found[index] = products
        return found

    def pair_rows(self, weight: Floats | None = None) -> Floats:
        """Each row's pair marginal p(z_parent, z_n | data), (K, K, N); zeros at first rows."""
        parts = self.links
        right = parts.right if weight is None else parts.right * weight
        tables = self._transitions.rows(self._index, parts.left.shape[1])
        found: Floats = tables * parts.left[:, None, :]
        found *= right
        if len(parts.rows):
            odd = parts.pairs if weight is None else parts.pairs * weight[parts.rows]
            found[:, :, parts.rows] = odd
        return found
