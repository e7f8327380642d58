"""Scaled forward and backward messages of many pieces of chains, walked together.

Messages are probabilities, normalised at every step, and the logs of the scales are summed
(Rabiner 1989, section V.A; Bishop, Pattern Recognition and Machine Learning, 13.2.4). With
left[t] = p(z_t | x_0..t) and scale[t] = p(x_t | x_0..t-1), the backward message is scaled so that
sum_k left[k, t] right[k, t] = 1: their product is the posterior.

What underflows, and when it matters. Relative likelihoods below e^-690 are raised to that, so no
path is lost where a single row is very unlikely. A message entry below `FAINT` may be wrong by as
much; that matters only where what comes after makes up for it: where the backward message exceeds
1 / `FAINT`, or a scale is as small. Where tables have no entry near zero the next step mixes
it away. Sequences where it may matter are reported, for `chains_log` to do again.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.sequences import Pieces
from emdsl.runtime.transitions import ZERO, Transitions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FAINT = 1e-170
LEAST = 1e-300  # careful backward messages stay above: no path is lost unseen
MOST = 1e200  # and below: far past 1 / FAINT already
SMALLEST = 1e-100  # scales below are suspect
NOTHING = 1e-250  # posteriors below come from the floor under impossible continuations
OFTEN = 64  # steps after which rounding is kept from adding up


class Workspace:
    """Buffers kept between calls on the same structure, as in the iterations of EM.

    Pass one to `forward_backward` again and again: results then share its memory, and hold only
    until the next call with the same workspace.
    """

    def __init__(self) -> None:
        self._pieces: Pieces | None = None
        self._states = -1
        self._arrays: dict[str, Floats] = {}
        self.came: Floats | None = None  # what each lane got from the one before it, (K, lanes)
        self.went: Floats | None = None  # and from the one after it
        self.forgets_late = False  # guesses didn't do

    def array(self, name: str, shape: tuple[int, ...]) -> Floats:
        """A float array of this shape, the same one each time, holding what it held."""
        found = self._arrays.get(name)
        if found is None or found.shape != shape:
            found = self._arrays[name] = np.empty(shape)
        return found

    def ready(self, pieces: Pieces, states: int) -> None:
        """Buffers for these pieces, the ones at hand where they fit."""
        if self._pieces is pieces and self._states == states:
            return
        self._pieces, self._states = pieces, states
        self.came = self.went = None
        self.forgets_late = False
        cells = states * pieces.chains.size
        self.flat_left = np.empty(cells)
        self.flat_weight = np.empty(cells)
        self.flat_right = np.empty(cells)
        self.flat_posterior = np.empty(cells)
        self.left = pieces.slabs(self.flat_left, states)
        self.weight = pieces.slabs(self.flat_weight, states)
        self.right = pieces.slabs(self.flat_right, states)
        self.posterior = pieces.slabs(self.flat_posterior, states)
        self.scale = np.empty(pieces.chains.size)
        self.inverse = np.empty(pieces.chains.size)
        ends = pieces.offsets.tolist()
        spans = [slice(i, j) for i, j in itertools.pairwise(ends)]
        self.scales = [self.scale[s] for s in spans]
        self.inverses = [self.inverse[s] for s in spans]
        self.rows = [pieces.rows[s] for s in spans]
        self.last_cells = pieces.last_cells(states)
        self._at, self._apart = pieces.cells(states)

    def unpack(self, flat: Floats) -> Floats:
        """Packed slabs (K, counts[t]) as one matrix (K, N), rows in their own order."""
        found = np.empty((self._states, len(self._at)))
        at = self._at.copy()
        for k in range(self._states):
            np.take(flat, at, out=found[k], mode="clip")
            at += self._apart
        return found


class Walk:
    """One forward and one backward pass over pieces; messages stay in the workspace.

    touched : the first step whose messages have changed since the backward pass
    """

    def __init__(
        self,
        space: Workspace,
        pieces: Pieces,
        unary: Floats,
        transitions: Transitions,
        index: Ints | None,
        low: float,
        top: Floats,
    ) -> None:
        """Row's tables are transitions.table[index[n]]; low and top are unary's least and its
        largest in each row, finite.
        """
        self.space, self.pieces, self.transitions = space, pieces, transitions
        self.states = unary.shape[0]
        space.ready(pieces, self.states)
        self.row_index = index
        self.index: list[Ints | None]
        self.index = [None if index is None else index[rows] for rows in space.rows]
        self.careful = transitions.sparse or low == -np.inf
        self.suspect = np.zeros(len(pieces.lengths), dtype=bool)
        self.top = top
        self.touched = 0
        self._weigh(unary, low)

    def _weigh(self, unary: Floats, low: float) -> None:
        """Relative likelihoods exp(unary - top), at least e^-690 but for impossible states."""
        faint = low - float(self.top.max(initial=-np.inf)) < ZERO
        for rows, weight in zip(self.space.rows, self.space.weight, strict=True):
            np.take(unary, rows, axis=1, out=weight, mode="clip")
            np.subtract(weight, self.top[rows], out=weight)
            if faint:
                gone = weight == -np.inf if low == -np.inf else None
                np.maximum(weight, ZERO, out=weight)
                np.exp(weight, out=weight)
                if gone is not None:
                    weight[gone] = 0.0
            else:
                np.exp(weight, out=weight)

    def weigh(self) -> None:
        """Make the weights, where they aren't there: here they are."""

    def forward(self, coming: Floats | None = None) -> None:
        """Filtered messages into space.left, scales into space.scale.

        coming : (K, pieces) predicted messages at the first rows of pieces, ones where a chain
        begins; None where all pieces are whole chains
        """
        space, before = self.space, None
        for t, left in enumerate(space.left):
            if before is None:
                np.multiply(space.weight[t], 1.0 if coming is None else coming, out=left)
            else:
                self.transitions.ahead(before[:, : left.shape[1]], self.index[t], left)
                np.multiply(left, space.weight[t], out=left)
            scale, inverse = space.scales[t], space.inverses[t]
            np.add.reduce(left, axis=0, out=scale)
            if self.careful:
                np.maximum(scale, LEAST, out=scale)
            np.divide(1.0, scale, out=inverse)
            np.multiply(left, inverse, out=left)
            before = left

    def check(self) -> None:
        """After the forward pass: suspect pieces with scales too small to be trusted."""
        if not self.careful:
            return
        space = self.space
        small = space.scale < SMALLEST
        if small.any():
            space.inverse[small] = 0.0
            steps = np.logical_or.reduceat(small, self.pieces.offsets[:-1])
            for step in np.flatnonzero(steps).tolist():
                self.suspect[: self.pieces.counts[step]] |= space.scales[step] < SMALLEST

    def backward(self, coming: Floats | None = None) -> None:
        """Backward messages times weight / scale into space.right, and the posterior.

        coming : (K, pieces) the messages at the last rows of pieces; None for ones
        """
        space, after = self.space, None
        for t in range(self.pieces.steps - 1, -1, -1):
            left, message = space.left[t], space.posterior[t]
            going = 0 if after is None else after.shape[1]
            if after is not None:
                if going == message.shape[1]:
                    self.transitions.back(after, self.index[t + 1], message)
                else:
                    message[:, :going] = self.transitions.back(after, self.index[t + 1])
            message[:, going:] = 1.0 if coming is None else coming[:, going : message.shape[1]]
            if t % OFTEN == 0:
                total = np.add.reduce(left * message, axis=0)
                message /= np.maximum(total, LEAST, out=total)
            if self.careful:
                self.guard(message, slice(0, message.shape[1]))
            after = space.right[t]
            np.multiply(space.weight[t], message, out=after)
            after *= space.inverses[t]
            message *= left

    def finish(self) -> None:
        """After the backward pass: nothing where floors left next to nothing."""
        if self.careful:
            space = self.space
            none = space.flat_posterior < NOTHING
            space.flat_posterior[none] = 0.0
            space.flat_right[none] = 0.0

    def total(self) -> Floats:
        """After both passes: sums of left[:, n - 1] right[:, n].T within pieces, (K, K)."""
        space = self.space
        found = np.zeros((self.states, self.states))
        for t in range(1, self.pieces.steps):
            after = space.right[t]
            found += space.left[t - 1][:, : after.shape[1]] @ after.T
        return found

    def guard(self, message: Floats, ranks: slice | Ints) -> None:
        """Keep a backward message from vanishing or overflowing, and note where it is too large."""
        np.maximum(message, LEAST, out=message)
        if message.max() * FAINT > 1.0:
            self.suspect[ranks] |= message.max(axis=0) * FAINT > 1.0
            np.minimum(message, MOST, out=message)
