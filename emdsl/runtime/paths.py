"""Following pointers from state to state along chains, all pieces of chains together.

Where a chain is cut into pieces, each piece is first followed from every state it may begin with;
that maps states to states, and the maps of a chain's pieces one after the other tell where each
piece really begins.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.sequences import Pieces

Ints = NDArray[np.int64]


def ahead(pointers: NDArray[Any], first: Ints, pieces: Pieces) -> Ints:
    """States (N,) where row n's state is pointers[state of n - 1, n]; first rows have `first`.

    pointers : (K, N); first : (N,), read at the first rows of chains
    """
    found = np.empty(len(pieces.rows), np.int64)
    came = np.zeros(len(pieces.lengths), np.int64)
    if pieces.inner.any():
        every = np.repeat(np.arange(len(pointers))[:, None], len(came), axis=1)
        ends = _ahead(pointers, first, pieces, every, None)
        for ranks in pieces.by_order[:-1]:
            going = ranks[pieces.after[ranks] >= 0]
            came[pieces.after[going]] = ends[came[going], going]
    _ahead(pointers, first, pieces, came[None].copy(), found)
    return found


def _ahead(
    pointers: NDArray[Any], first: Ints, pieces: Pieces, state: Ints, found: Ints | None
) -> Ints:
    """Follow from the states (M, pieces) before the pieces; the states at their ends."""
    for t in range(pieces.steps):
        going = int(pieces.counts[t])
        rows = pieces.starts[:going] + t
        now = pointers[state[:, :going], rows]
        if not t:
            now = np.where(pieces.inner, now, first[rows])
        state[:, :going] = now
        if found is not None:
            found[rows] = now[0]
    return state


def back(pointers: NDArray[Any], last: Ints, pieces: Pieces) -> Ints:
    """States (N,) where row n - 1's state is pointers[state of n, n]; chains end in `last` (S,)."""
    found = np.empty(len(pieces.rows), np.int64)
    went = last[pieces.sequence]
    if pieces.inner.any():
        every = np.repeat(np.arange(len(pointers))[:, None], len(went), axis=1)
        begins = _back(pointers, pieces, every, None)
        for ranks in reversed(pieces.by_order[1:]):
            went[pieces.before[ranks]] = begins[went[ranks], ranks]
    _back(pointers, pieces, went[None].copy(), found)
    return found


def _back(pointers: NDArray[Any], pieces: Pieces, state: Ints, found: Ints | None) -> Ints:
    """Follow from the states (M, pieces) at the pieces' ends; the states before the pieces."""
    ends = pieces.starts + pieces.lengths - 1
    for u in range(pieces.steps):
        going = int(pieces.counts[u])
        rows = ends[:going] - u
        if found is not None:
            found[rows] = state[0, :going]
        state[:, :going] = pointers[state[:, :going], rows]
    return state
