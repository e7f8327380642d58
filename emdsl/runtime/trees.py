"""Trees of discrete states: upward and downward messages, all trees depth by depth.

Pearl (1988), belief propagation; for hidden Markov trees Crouse, Nowak and Baraniuk (1998) and
Durand, Goncalves and Guedon (2004). Upward messages are kept as logs, since a parent multiplies
those of all its children; one child's message is a product of probabilities, in log space only
for rows where states differ by more than doubles can hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.chains_log import log_sum
from emdsl.runtime.smoothed import Filtering, Links, Smoothed
from emdsl.runtime.transitions import Transitions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SMALL = 1e-200  # entries of a message below may be missing what underflowed
_FAR = -400.0  # states this far below the best of their row may underflow in a message
_FINE = 1e-100  # with table entries below, states less far may


@dataclass(frozen=True)
class Level:
    """Rows of one depth, sorted by parent."""

    rows: Ints  # (n,)
    parents: Ints  # (n,), of each row
    heads: Ints  # (m,), the distinct parents
    starts: Ints  # (m,), where each parent's children start among the rows


class CircleError(ValueError):
    """A row is among its own ancestors."""

    def __init__(self, row: int) -> None:
        super().__init__(
            f"a tree has no cycles, found that row {row} is among its own ancestors: "
            "give one row of the cycle the parent -1"
        )
        self.row = row


@dataclass(frozen=True, eq=False)
class Trees:
    """Rows with parents: parent (N,), -1 at roots. Trees are numbered in the order of roots."""

    parent: Ints

    def __post_init__(self) -> None:
        parent, size = self.parent, len(self.parent)
        wrong = np.flatnonzero((parent < -1) | (parent >= size))
        if wrong.size:
            n = int(wrong[0])
            raise ValueError(
                f"parents must be rows 0 to {size - 1} or -1, row {n} has parent {parent[n]}"
            )
        loose = np.flatnonzero(self.depth < 0)
        if loose.size:
            raise CircleError(self._onto_cycle(int(loose[0])))

    def _onto_cycle(self, row: int) -> int:
        """A row on the cycle that a row's ancestors end in."""
        seen: set[int] = set()
        while row not in seen:
            seen.add(row)
            row = int(self.parent[row])
        return row

    @property
    def size(self) -> int:
        """The number of rows N."""
        return len(self.parent)

    @cached_property
    def first(self) -> NDArray[np.bool_]:
        """Whether a row is a root, (N,)."""
        found: NDArray[np.bool_] = self.parent < 0
        return found

    @cached_property
    def roots(self) -> Ints:
        """The roots' rows, (S,)."""
        return np.flatnonzero(self.first).astype(np.int64)

    @cached_property
    def depth(self) -> Ints:
        """How many ancestors each row has, (N,); -1 where they never end."""
        return self._descent[0]

    @cached_property
    def root_of(self) -> Ints:
        """Each row's tree, (N,)."""
        return self._descent[1]

    @cached_property
    def _descent(self) -> tuple[Ints, Ints]:
        """Depths and trees, by doubling: log2(depth) rounds over all rows."""
        size = self.size
        nothing = size  # stands above every root
        up = np.append(np.where(self.parent < 0, nothing, self.parent), nothing)
        depth = np.append(np.ones(size, np.int64), 0)
        top = np.append(np.arange(size), nothing)  # the highest ancestor met so far
        for _ in range(max(size, 1).bit_length() + 1):
            if (up == nothing).all():
                break
            top = np.where(up == nothing, top, top[up])
            depth += depth[up]
            up = up[up]
        depth[up != nothing] = 0
        tree = np.full(size + 1, -1, np.int64)
        tree[:size][self.first] = np.arange(np.count_nonzero(self.first))
        depths: Ints = depth[:-1] - 1
        return depths, tree[top[:-1]]

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """Rows by depth, roots first."""
        order = np.lexsort((self.parent, self.depth))
        ends = np.searchsorted(self.depth[order], np.arange(int(self.depth.max(initial=-1)) + 2))
        found = []
        for i, j in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
            rows = order[i:j]
            heads, starts = np.unique(self.parent[rows], return_index=True)
            found.append(Level(rows, self.parent[rows], heads, starts))
        return tuple(found)


class _Up:
    """The upward pass: what hangs below each row, seen from it and from its parent.

    weight  : (K, N) proportional to p(data below and at n | z_n) times its unary, largest 1
    message : (K, N) the same as a function of the parent's state, as logs
    plain   : (K, N) exp(message) on the scale of weight
    odd     : rows whose messages were made in log space
    """

    def __init__(
        self, unary: Floats, transitions: Transitions, index: Ints | None, trees: Trees
    ) -> None:
        self.transitions, self.index, self.trees = transitions, index, trees
        self.logs = unary.astype(np.float64, copy=True)
        self.weight = np.empty_like(self.logs)
        self.message = np.empty_like(self.logs)
        self.plain = np.empty_like(self.logs)
        self.top = np.empty(unary.shape[1])
        odd = [self._rise(level) for level in reversed(trees.levels)]
        self.odd = np.sort(np.concatenate([np.zeros(0, np.int64), *odd]))

    def _rise(self, level: Level) -> Ints:
        """Finish one level and add its messages to their parents; the rows done in log space."""
        rows, transitions = level.rows, self.transitions
        logs = self.logs[:, rows]
        top = logs.max(axis=0)
        self.top[rows] = top
        top = np.where(top == -np.inf, 0.0, top)
        logs -= top
        weight = np.exp(logs)
        self.weight[:, rows] = weight
        if level.parents[0] < 0:
            return np.zeros(0, np.int64)
        used = None if self.index is None else self.index[rows]
        plain = transitions.back(weight, used)
        with np.errstate(divide="ignore"):
            message = np.log(plain)
        bound = _FAR if transitions.least > _FINE else -1.0
        far = ((logs < bound) & (logs > -np.inf)).any(axis=0)
        odd = np.flatnonzero(far & (plain < _SMALL).any(axis=0))
        if transitions.shift is not None:
            message += transitions.shift[0] if used is None else transitions.shift[used]
        if len(odd):
            message[:, odd] = log_sum(_log_rows(transitions, used, odd) + logs[:, odd], axis=1)
        self.plain[:, rows] = plain
        self.message[:, rows] = message
        self.logs[:, level.heads] += np.add.reduceat(message + top, level.starts, axis=1)
        return rows[odd]


def _log_rows(transitions: Transitions, index: Ints | None, rows: Ints) -> Floats:
    """The log tables of rows, (K, K, n) or (K, K, 1)."""
    found: Floats = transitions.log[:1] if index is None else transitions.log[index[rows]]
    return found.transpose(1, 2, 0)


def smooth_trees(
    unary: Floats, transitions: Transitions, index: Ints | None, trees: Trees
) -> Smoothed:
    """Upward and downward pass; see `forward_backward`."""
    up = _Up(unary, transitions, index, trees)
    roots, states = trees.roots, unary.shape[0]
    total = up.weight[:, roots].sum(axis=0)
    with np.errstate(divide="ignore"):
        evidence = np.log(total) + np.where(up.top[roots] == -np.inf, 0.0, up.top[roots])
    posterior = np.zeros_like(up.weight)
    posterior[:, roots] = up.weight[:, roots] / np.where(total > 0.0, total, 1.0)
    posterior[:, roots[evidence == -np.inf]] = 0.0
    left = np.zeros_like(up.weight)
    is_odd = np.zeros(trees.size, dtype=bool)
    is_odd[up.odd] = True
    pairs = np.zeros((states, states, len(up.odd)))
    slot = np.zeros(trees.size, np.int64)
    slot[up.odd] = np.arange(len(up.odd))
    for level in trees.levels[1:]:
        rows = level.rows
        used = None if index is None else index[rows]
        above, plain = posterior[:, level.parents], up.plain[:, rows]
        coming = np.divide(
            above, plain, out=np.zeros_like(above), where=(plain > 0.0) & (above > 0)
        )
        coming[:, is_odd[rows]] = 0.0
        left[:, rows] = coming
        found = transitions.ahead(coming, used) * up.weight[:, rows]
        odd = np.flatnonzero(is_odd[rows])
        if len(odd):
            these = _odd_pairs(up, rows[odd], above[:, odd])
            pairs[:, :, slot[rows[odd]]] = these
            found[:, odd] = these.sum(axis=0)
        size = found.sum(axis=0)
        posterior[:, rows] = found / np.where(size > 0.0, size, 1.0)
    right = up.weight.copy()
    right[:, roots] = 0.0
    right[:, up.odd] = 0.0
    links = Links(left, right, up.odd, pairs)
    return Smoothed(evidence, posterior, transitions, index, _Done(links))


def _odd_pairs(up: _Up, rows: Ints, above: Floats) -> Floats:
    """Pair marginals of rows whose messages need log space, (K, K, n)."""
    index = up.index
    coming = np.full(above.shape, -np.inf)
    np.log(above, out=coming, where=above > 0.0)
    np.subtract(coming, up.message[:, rows], out=coming, where=above > 0.0)
    top = np.where(up.top[rows] == -np.inf, 0.0, up.top[rows])
    logs = _log_rows(up.transitions, index, rows) + (up.logs[:, rows] - top) + coming[:, None, :]
    found: Floats = np.exp(logs)
    return found


@dataclass(frozen=True)
class _Done:
    """A `Source` where everything is at hand; there is no filtering in a tree."""

    _links: Links

    def links(self) -> Links:
        return self._links

    def total(self) -> Floats | None:
        return None

    def filtering(self) -> Filtering:
        raise TypeError("filtering needs an order in time: a chain was expected, found trees")


def first_dead(unary: Floats, transitions: Transitions, index: Ints | None, trees: Trees) -> int:
    """The first row none of whose states goes with what hangs below it, or -1."""
    up = _Up(unary, transitions, index, trees)
    dead = up.top == -np.inf
    inherited = np.zeros(trees.size, dtype=bool)
    inherited[trees.parent[dead & ~trees.first]] = True
    found = np.flatnonzero(dead & ~inherited)
    return int(found[0]) if len(found) else -1
