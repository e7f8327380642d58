"""What a walk's rows say alone, in the order in which pieces of chains are walked.

Log potentials are coefficients (K, F) times feature rows (F, N). Kept whole and in the user's
order they would be written, gathered, shifted and turned into probabilities in turn; here each
step's rows are kept together from the start, and all of that happens to one step's in cache.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.feature_columns import at_columns, distinct_columns, signature
from emdsl.runtime.lockstep import Workspace
from emdsl.runtime.rows import expected
from emdsl.runtime.sequences import Pieces
from emdsl.runtime.transitions import ZERO

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

_RANGE = 300.0  # log potentials so large or small need no shift before exp
_SAMPLE = 1000  # columns looked at first
_EQUAL = 8  # columns that are each there so many times are kept once


class Emissions:
    """Feature rows of all steps. `weigh` gives relative likelihoods, `sums` expected features."""

    def __init__(self, rows: Any, pieces: Pieces) -> None:
        """Take feature rows (F, N), in their own order, to the order of the pieces."""
        self.spans = [slice(i, j) for i, j in pairwise(pieces.offsets.tolist())]
        self.order = pieces.rows
        self.rows = rows

    def weigh(self, coefficients: Any, space: Workspace) -> tuple[float, Floats | None]:
        """Fill space.weight with exp(log potential - top); the least log potential, and the tops.

        The tops are (N,) in packed order, None where all are zero.
        """
        raise NotImplementedError

    def sums(self, space: Workspace) -> Floats:
        """Expected features under the posteriors in the workspace, (K, F)."""
        raise NotImplementedError


class Each(Emissions):
    """Rows that differ: their features step by step."""

    def __init__(self, rows: Any, pieces: Pieces) -> None:
        super().__init__(rows, pieces)
        self.steps = [at_columns(rows, self.order[span]) for span in self.spans]
        self.rows = at_columns(rows, self.order[:1])

    def weigh(self, coefficients: Any, space: Workspace) -> tuple[float, Floats | None]:
        least, tops = np.inf, None
        for span, features, weight in zip(self.spans, self.steps, space.weight, strict=True):
            if isinstance(features, np.ndarray):
                np.matmul(coefficients, features, out=weight)
            else:
                weight[...] = coefficients @ features
            low, top = _exp(weight)
            least = min(least, low)
            if top is not None:
                if tops is None:
                    tops = np.zeros(len(self.order))
                tops[span] = top
        return least, tops

    def sums(self, space: Workspace) -> Floats:
        parts = [
            expected(posterior, features)
            for posterior, features in zip(space.posterior, self.steps, strict=True)
        ]
        found: Floats = np.add.reduce(parts, axis=0)
        return found


class Repeated(Emissions):
    """Rows of which many are equal: the distinct ones, and which of them each row is."""

    def __init__(self, rows: Any, pieces: Pieces, which: Ints, inverse: Ints) -> None:
        super().__init__(at_columns(rows, which), pieces)
        self.count = len(which)
        index = inverse[self.order]
        self.steps = [index[span] for span in self.spans]
        self.index = index
        self._cells: Ints | None = None

    def weigh(self, coefficients: Any, space: Workspace) -> tuple[float, Floats | None]:
        table = np.ascontiguousarray(coefficients @ self.rows)
        least, top = _exp(table)
        for index, weight in zip(self.steps, space.weight, strict=True):
            np.take(table, index, axis=1, out=weight, mode="clip")
        return least, None if top is None else top[self.index]

    def sums(self, space: Workspace) -> Floats:
        states = len(space.posterior[0])
        if self._cells is None or len(self._cells) != states * len(self.order):
            apart = self.count * np.arange(states)[:, None]
            self._cells = np.concatenate([(apart + index).reshape(-1) for index in self.steps])
        total = np.bincount(self._cells, space.flat_posterior, states * self.count)
        return expected(total.reshape(states, self.count), self.rows)


def emissions(rows: Any, pieces: Pieces) -> Emissions:
    """Feature rows (F, N) in the form that suits them."""
    size = len(pieces.rows)
    some = signature(at_columns(rows, np.arange(0, size, max(1, size // _SAMPLE))))
    if len(np.unique(some, axis=1).T) * _EQUAL <= 2 * some.shape[1]:
        which, inverse = distinct_columns(signature(rows))
        if len(which) * _EQUAL <= size:
            return Repeated(rows, pieces, which, inverse)
    return Each(rows, pieces)


def _exp(values: Floats) -> tuple[float, Floats | None]:
    """Exponentials in place, of values less their columns' largest where they are far from zero.

    Gives the least value, and what was taken off each column, or None for nothing. Values below
    e^-690 of the largest are raised to that, but for impossible states.
    """
    low = float(values.min(initial=np.inf))
    if low > -_RANGE and values.max(initial=-np.inf) < _RANGE:
        np.exp(values, out=values)
        return low, None
    top: Floats = values.max(axis=0)
    top[top == -np.inf] = 0.0
    values -= top
    gone = values == -np.inf if low == -np.inf else None
    np.maximum(values, ZERO, out=values)
    np.exp(values, out=values)
    if gone is not None:
        values[gone] = 0.0
    return low, top
