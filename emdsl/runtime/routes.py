"""Two ways to the same messages: packed lanes in NumPy, or compiled loops over rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.compiled import kernel
from emdsl.runtime.lanes import Lanes
from emdsl.runtime.lockstep import NOTHING, Walk, Workspace
from emdsl.runtime.sequences import Chains
from emdsl.runtime.transitions import ZERO, Transitions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BLOCK = 4096  # rows whose exponentials are made at once, in cache


@dataclass(frozen=True)
class Messages:
    """Scaled messages of all chains, rows in their own order.

    log_scale : (N,) log p(x_t | x_0..t-1), tables as shifted
    suspect   : the sequences for which underflow may matter
    posterior : (K, N)
    left      : makes p(z_t | x_0..t), (K, N)
    right     : makes what `Links` calls right, (K, N)
    total     : makes the sum over rows of left[:, n - 1] right[:, n].T, (K, K)
    """

    log_scale: Floats
    suspect: Ints
    posterior: Floats
    left: Callable[[], Floats]
    right: Callable[[], Floats]
    total: Callable[[], Floats]


def messages(
    space: Workspace, unary: Floats, transitions: Transitions, index: Ints | None, chains: Chains
) -> Messages:
    """Forward and backward messages, by compiled loops where these pay."""
    states, size = unary.shape
    forward = kernel("forward", states, size, transitions.count)
    backward = kernel("backward", states, size, transitions.count)
    if forward is None or backward is None:
        return _packed(space, unary, transitions, index, chains)
    used = np.zeros(0, np.int64) if index is None else index
    low, top = _tops(unary)
    weight = _weights(space.array("weight", (states, size)), unary, low, top)
    left = space.array("left", (size, states))
    right = space.array("right", (size, states))
    posterior = space.array("posterior", (states, size))
    scale = space.array("scale", (size,))
    suspect = np.zeros(len(chains.starts), dtype=bool)
    table = transitions.table
    forward(weight, table, used, chains.starts, chains.lengths, left, scale, suspect)
    floor = NOTHING if transitions.sparse or low == -np.inf else 0.0
    backward(
        weight,
        transitions.turned,
        used,
        chains.starts,
        chains.lengths,
        left,
        scale,
        floor,
        right,
        posterior,
        suspect,
    )
    log_scale = np.log(scale)
    log_scale += top
    return Messages(
        log_scale,
        np.flatnonzero(suspect),
        posterior,
        lambda: left.T,
        lambda: right.T,
        lambda: np.asarray(left[:-1].T @ right[1:]),
    )


def _tops(unary: Floats) -> tuple[float, Floats]:
    """The least log potential, and each row's largest, 0 where all are -inf."""
    low = float(unary.min(initial=np.inf))
    top: Floats = unary.max(axis=0)
    if low == -np.inf:
        top[top == -np.inf] = 0.0
    return low, top


def _weights(out: Floats, unary: Floats, low: float, top: Floats) -> Floats:
    """Relative likelihoods exp(unary - top), at least e^-690 but for impossible states."""
    faint = low - float(top.max(initial=-np.inf)) < ZERO
    for i in range(0, unary.shape[1], _BLOCK):
        block = out[:, i : i + _BLOCK]
        np.subtract(unary[:, i : i + _BLOCK], top[i : i + _BLOCK], out=block)
        if faint:
            gone = block == -np.inf
            np.maximum(block, ZERO, out=block)
            np.exp(block, out=block)
            block[gone] = 0.0
        else:
            np.exp(block, out=block)
    return out


def _packed(
    space: Workspace, unary: Floats, transitions: Transitions, index: Ints | None, chains: Chains
) -> Messages:
    """Pieces of chains in lock-step, see `lanes` and `lockstep`."""
    low, top = _tops(unary)
    walk = Walk(space, chains.lanes, unary, transitions, index, low, top)
    between = Lanes(walk) if walk.pieces.inner.any() else None
    path = between or walk
    path.forward()
    walk.check()
    path.backward()
    walk.finish()
    log_scale = np.empty(chains.size)
    log_scale[walk.pieces.rows] = np.log(space.scale)
    log_scale += top

    def right() -> Floats:
        found = space.unpack(space.flat_right)
        found[:, chains.starts] = 0.0
        return found

    def total() -> Floats:
        found = walk.total()
        return found if between is None else found + between.pairs_between()

    return Messages(
        log_scale,
        np.unique(walk.pieces.sequence[walk.suspect]),
        space.unpack(space.flat_posterior),
        lambda: space.unpack(space.flat_left),
        right,
        total,
    )
