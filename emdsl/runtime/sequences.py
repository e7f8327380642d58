"""Rows that follow each other in chains, and how such rows are walked in lock-step."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LEAST_STEPS = 12
_LONG = 3.0  # sequences at least so many lanes long are cut


@dataclass(frozen=True, eq=False)
class Chains:
    """Rows cut into sequences: the s-th has rows starts[s] to starts[s] + lengths[s] - 1.

    starts, lengths : (S,), every length at least 1; together they cover rows 0 to size - 1.
    """

    starts: Ints
    lengths: Ints

    def __post_init__(self) -> None:
        if self.starts.shape != self.lengths.shape or self.starts.ndim != 1:
            raise ValueError(
                "starts and lengths must be vectors of one size, found shapes "
                f"{self.starts.shape} and {self.lengths.shape}"
            )
        short = np.flatnonzero(self.lengths < 1)
        if short.size:
            s = int(short[0])
            raise ValueError(
                f"each sequence needs at least one row, sequence {s} has {self.lengths[s]}: "
                "leave empty sequences out"
            )
        ends = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self.lengths)])
        if not np.array_equal(self.starts, ends[:-1]):
            raise ValueError(
                "sequences must follow each other without gaps: give lengths alone "
                "(Chains.from_lengths)"
            )

    @classmethod
    def from_lengths(cls, lengths: ArrayLike) -> Chains:
        """Sequences of these lengths, one after the other."""
        sizes = np.array(lengths, dtype=np.int64).reshape(-1)
        return cls(np.cumsum(sizes) - sizes, sizes)

    @classmethod
    def from_starts(cls, first: ArrayLike) -> Chains:
        """Sequences that begin at the rows where `first` (N,) is true; row 0 must be one."""
        flags = np.asarray(first, dtype=bool).reshape(-1)
        if flags.size and not flags[0]:
            raise ValueError("row 0 must be the first of a sequence, found that it isn't")
        starts = np.flatnonzero(flags).astype(np.int64)
        return cls(starts, np.diff(starts, append=np.int64(flags.size)))

    @cached_property
    def size(self) -> int:
        """The number of rows N."""
        return int(self.lengths.sum())

    @cached_property
    def first(self) -> NDArray[np.bool_]:
        """Whether a row is the first of its sequence, (N,)."""
        flags = np.zeros(self.size, dtype=bool)
        flags[self.starts] = True
        return flags

    @cached_property
    def sequence(self) -> Ints:
        """Each row's sequence, (N,)."""
        found: Ints = np.repeat(np.arange(len(self.starts)), self.lengths)
        return found

    @cached_property
    def pieces(self) -> Pieces:
        """The sequences themselves, in the order in which they are walked together."""
        return Pieces(self, np.ones_like(self.lengths))

    @cached_property
    def lanes(self) -> Pieces:
        """Sequences cut into lanes where that pays: about as many lanes as each has steps.

        Steps cost calls of NumPy, lanes cost steps walked again: their sum is least near sqrt(N).
        """
        steps = max(_LEAST_STEPS, round(0.6 * np.sqrt(self.size)))
        if int(self.lengths.max(initial=0)) < _LONG * steps:
            return self.pieces
        return Pieces(self, np.maximum(1, self.lengths // steps))


class Pieces:
    """Pieces of sequences, longest first, that are walked together: step t takes row t of each.

    The rows taken at step t are rows[offsets[t] : offsets[t + 1]]: "packed" order. A matrix of K
    states is packed as a flat vector of slabs, the t-th (K, counts[t]) and contiguous, so that
    each step works on memory that lies together. The pieces that have a row t are the first
    counts[t], because they are sorted by length.
    """

    def __init__(self, chains: Chains, parts: Ints) -> None:
        """Cut sequence s into parts[s] pieces of nearly equal lengths."""
        self.chains = chains
        base, extra = chains.lengths // parts, chains.lengths % parts
        owner = np.repeat(np.arange(len(parts)), parts)
        nth = np.arange(len(owner)) - np.repeat(np.cumsum(parts) - parts, parts)
        starts = chains.starts[owner] + nth * base[owner] + np.minimum(nth, extra[owner])
        lengths = base[owner] + (nth < extra[owner])
        order = np.argsort(-lengths, kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))

        self.starts, self.lengths = starts[order], lengths[order]
        self.sequence = owner[order]
        self.inner = nth[order] > 0  # it goes on from another piece
        before = np.where(nth > 0, np.roll(rank, 1), -1)[order]
        self.before = before  # the rank of that piece, or -1
        last = nth == parts[owner] - 1
        self.after = np.where(last, -1, np.roll(rank, -1))[order]

        parts_most = int(parts.max(initial=0))
        self.by_order = [rank[nth == n] for n in range(parts_most)]  # first pieces, second ones..
        self.steps = int(self.lengths[0]) if len(order) else 0
        ascending = self.lengths[::-1]
        self.counts = len(order) - np.searchsorted(ascending, np.arange(self.steps), side="right")
        self.offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self.counts)])
        step = np.repeat(np.arange(self.steps), self.counts)
        within = np.arange(chains.size) - self.offsets[:-1][step]
        self.rows = self.starts[within] + step

    def slabs(self, flat: NDArray[Any], states: int) -> list[NDArray[Any]]:
        """Views (states, counts[t]) of packed values, one for each step."""
        ends = (states * self.offsets).tolist()
        return [flat[i:j].reshape(states, -1) for i, j in itertools.pairwise(ends)]

    def cells(self, states: int) -> tuple[Ints, Ints]:
        """Where row n's state 0 lies in a packed matrix, and how far apart its states lie."""
        step = np.repeat(np.arange(self.steps), self.counts)
        at = np.empty_like(self.rows)
        apart = np.empty_like(self.rows)
        within = np.arange(len(self.rows)) - self.offsets[:-1][step]
        at[self.rows] = states * self.offsets[:-1][step] + within
        apart[self.rows] = self.counts[step]
        return at, apart

    def last_cells(self, states: int) -> Ints:
        """Where the last row of each piece lies in a packed matrix, (states, pieces)."""
        step = self.lengths - 1
        at = states * self.offsets[step] + np.arange(len(step))
        found: Ints = at + np.arange(states)[:, None] * self.counts[step]
        return found
