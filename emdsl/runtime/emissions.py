"""What a walk's rows say alone, in the order in which pieces of chains are walked.

Log potentials are coefficients (K, F) times feature rows (F, N). Kept whole and in the user's
order they would be written, gathered, shifted and turned into probabilities in turn; here each
step's rows are kept together from the start, and all of that happens to one step's in cache.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
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


class Emissions(ABC):
    """Feature rows of all steps, and the log potentials they have under some coefficients.

    Between `begin` and the sums, `weigh(t, out)` fills out (K, counts[t]) with step t's
    exp(log potential - top), `low` is the least log potential met so far, and `tops` are (N,) in
    packed order, None as long as all are zero. `add(t, posterior)` takes step t's posteriors, and
    may be called again; `stored` says that it doesn't look at them before `sums`.
    """

    stored = False

    def __init__(self, rows: Any, pieces: Pieces) -> None:
        """Take feature rows (F, N), in their own order, to the order of the pieces."""
        self.spans = [slice(i, j) for i, j in itertools.pairwise(pieces.offsets.tolist())]
        self.order = pieces.rows
        self.rows = rows
        self.low = np.inf
        self.tops: Floats | None = None

    @abstractmethod
    def begin(self, coefficients: Any) -> None: ...

    @abstractmethod
    def weigh(self, t: int, out: Floats) -> None: ...

    @abstractmethod
    def add(self, t: int, posterior: Floats) -> None: ...

    @abstractmethod
    def sums(self, space: Workspace) -> Floats:
        """Expected features, (K, F); the posteriors are in the workspace where they are stored."""
        ...


class Each(Emissions):
    """Rows that differ: their features step by step."""

    def __init__(self, rows: Any, pieces: Pieces) -> None:
        super().__init__(at_columns(rows, pieces.rows[:1]), pieces)
        self.steps = [at_columns(rows, self.order[span]) for span in self.spans]
        self.plain = isinstance(rows, np.ndarray)
        self.parts: Any = [None] * len(self.steps)
        self.most: Floats | None = None  # each step's largest features, (F, steps)
        self.tame = [False] * len(self.steps)
        if self.plain:
            self.most = np.stack([np.abs(step).max(axis=1) for step in self.steps], axis=1)

    def begin(self, coefficients: Any) -> None:
        self.coefficients = coefficients
        self.low, self.tops = np.inf, None
        if self.most is not None:  # steps whose log potentials can't be far from zero
            self.tame = ((np.abs(coefficients) @ self.most).max(axis=0) < _RANGE).tolist()
        if self.plain and not isinstance(self.parts, np.ndarray):
            self.parts = np.empty((len(self.steps), *coefficients.shape))

    def weigh(self, t: int, out: Floats) -> None:
        if self.plain:
            np.matmul(self.coefficients, self.steps[t], out=out)
        else:
            out[...] = self.coefficients @ self.steps[t]
        if self.tame[t]:
            np.exp(out, out=out)
            return
        low, top = _exp(out)
        self.low = min(self.low, low)
        if top is not None:
            if self.tops is None:
                self.tops = np.zeros(len(self.order))
            self.tops[self.spans[t]] = top

    def add(self, t: int, posterior: Floats) -> None:
        if self.plain:
            np.matmul(posterior, self.steps[t].T, out=self.parts[t])
        else:
            self.parts[t] = expected(posterior, self.steps[t])

    def sums(self, space: Workspace) -> Floats:  # noqa: ARG002
        found: Floats = np.add.reduce(self.parts, axis=0)
        return found


class Repeated(Emissions):
    """Rows of which many are equal: the distinct ones, and which of them each row is."""

    stored = True

    def __init__(self, rows: Any, pieces: Pieces, which: Ints, inverse: Ints) -> None:
        super().__init__(at_columns(rows, which), pieces)
        self.count = len(which)
        self.index = inverse[self.order]
        self.steps = [self.index[span] for span in self.spans]
        self._cells: Ints | None = None

    def begin(self, coefficients: Any) -> None:
        self.table = np.ascontiguousarray(coefficients @ self.rows)
        self.low, top = _exp(self.table)
        self.tops = None if top is None else top[self.index]

    def weigh(self, t: int, out: Floats) -> None:
        self.table.take(self.steps[t], axis=1, out=out, mode="clip")

    def add(self, t: int, posterior: Floats) -> None:
        """Nothing yet: counting all rows together is quickest."""

    def sums(self, space: Workspace) -> Floats:
        states = len(self.table)
        if self._cells is None:
            apart = self.count * np.arange(states)[:, None]
            self._cells = np.concatenate([(apart + index).reshape(-1) for index in self.steps])
        total = np.empty(states * self.count)
        total[:] = np.bincount(self._cells, space.flat_posterior, states * self.count)
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
