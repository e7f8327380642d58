"""The most probable states together, and draws of all states: walks along pointers.

Both make, for each row and each state of one neighbour, the state to go to next; then all chains
or trees follow these pointers together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.compiled import Kernel, kernel
from emdsl.runtime.paths import ahead, back
from emdsl.runtime.sequences import Chains, Pieces
from emdsl.runtime.smoothed import Smoothed
from emdsl.runtime.transitions import Transitions
from emdsl.runtime.trees import Trees

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_WIDE = 8  # rows walked together from which one comparison for each state is quicker
_BLOCK = 1 << 20  # cells (K, K, rows) made at once


def _best(score: Floats, table: Floats, index: Ints | None) -> tuple[Ints, Floats]:
    """For each state to come the best state before it, lowest among equals, and its score.

    score : (K, n), table : (G, K, K) log; both answers are (K, n)
    """
    states, size = score.shape
    if index is None and size >= _WIDE:
        best = score[0] + table[0, 0][:, None]
        arg = np.zeros((states, size), np.int64)
        for i in range(1, states):
            other = score[i] + table[0, i][:, None]
            np.copyto(arg, i, where=other > best)
            np.maximum(best, other, out=best)
        return arg, best
    turned = np.swapaxes(table[0][None] if index is None else table[index], 1, 2)
    joint = turned + score.T[:, None, :]
    arg = joint.argmax(axis=2)
    best = np.take_along_axis(joint, arg[:, :, None], axis=2)[:, :, 0]
    return arg.T, best.T


def decode_chains(
    unary: Floats, transitions: Transitions, index: Ints | None, chains: Chains
) -> tuple[Ints, Floats]:
    """Viterbi's algorithm over all chains together; see `most_probable`."""
    states, size = unary.shape
    compiled = kernel("best", states, size, transitions.count)
    if compiled is not None:
        return _compiled(compiled, unary, transitions, index, chains)
    pieces = chains.lanes
    kind = np.int16 if states < 1 << 15 else np.int64
    pointers = np.zeros((states, size), dtype=kind)  # of first rows: not used
    score = np.zeros((states, len(pieces.lengths)))
    if pieces.inner.any():
        score = _handed_on(unary, transitions, index, pieces)
    for t in range(pieces.steps):
        rows = pieces.starts[: pieces.counts[t]] + t
        used = None if index is None else index[rows]
        arg, best = _best(score[:, : len(rows)], transitions.log, used)
        if not t:
            best = np.where(pieces.inner, best, 0.0)
        pointers[:, rows] = arg
        score[:, : len(rows)] = best + unary[:, rows]
    ends = pieces.after < 0
    joint = np.empty(len(chains.lengths))
    joint[pieces.sequence[ends]] = score[:, ends].max(axis=0)
    last = np.empty(len(joint), np.int64)
    last[pieces.sequence[ends]] = score[:, ends].argmax(axis=0)
    found = back(pointers, last, pieces)
    found[(joint == -np.inf)[chains.sequence]] = -1
    return found, joint


def _handed_on(
    unary: Floats, transitions: Transitions, index: Ints | None, pieces: Pieces
) -> Floats:
    """The best score with which each piece's predecessor ends in each state, (K, pieces).

    Each piece is walked from every state that the row before it may have, like `_Transfer`.
    """
    states, count = len(unary), len(pieces.lengths)
    score = np.full((states, states, count), -np.inf)  # to, from, piece
    score[np.arange(states), np.arange(states)] = 0.0
    for t in range(pieces.steps):
        going = int(pieces.counts[t])
        rows = pieces.starts[:going] + t
        used = None if index is None else np.tile(index[rows], states)
        _, best = _best(score[:, :, :going].reshape(states, -1), transitions.log, used)
        best = best.reshape(states, states, going)
        if not t:
            best = np.where(pieces.inner, best, score)
        score[:, :, :going] = best + unary[:, None, rows]
    found = np.zeros((states, count))
    for ranks in pieces.by_order[:-1]:
        going_on = ranks[pieces.after[ranks] >= 0]
        given = found[:, going_on]
        found[:, pieces.after[going_on]] = (score[:, :, going_on] + given).max(axis=1)
    return found


def _compiled(
    best: Kernel, unary: Floats, transitions: Transitions, index: Ints | None, chains: Chains
) -> tuple[Ints, Floats]:
    """The same by a compiled loop."""
    states, size = unary.shape
    found, joint = np.empty(size, np.int64), np.empty(len(chains.lengths))
    turned = np.ascontiguousarray(transitions.log.transpose(0, 2, 1))
    used = np.zeros(0, np.int64) if index is None else index
    pointers = np.empty((size, states), np.int16)
    best(
        np.ascontiguousarray(unary),
        turned,
        used,
        chains.starts,
        chains.lengths,
        pointers,
        found,
        joint,
    )
    found[(joint == -np.inf)[chains.sequence]] = -1
    return found, joint


def decode_trees(
    unary: Floats, transitions: Transitions, index: Ints | None, trees: Trees
) -> tuple[Ints, Floats]:
    """Max-product from the leaves to the roots and back; see `most_probable`."""
    logs = unary.astype(np.float64, copy=True)
    turned = np.swapaxes(transitions.log, 1, 2)
    pointers = np.zeros(unary.shape, np.int64)
    for level in reversed(trees.levels[1:]):
        used = None if index is None else index[level.rows]
        pointers[:, level.rows], best = _best(logs[:, level.rows], turned, used)
        logs[:, level.heads] += np.add.reduceat(best, level.starts, axis=1)
    found = np.full(trees.size, -1, np.int64)
    found[trees.roots] = logs[:, trees.roots].argmax(axis=0)
    joint = logs[:, trees.roots].max(axis=0, initial=-np.inf)
    for level in trees.levels[1:]:
        found[level.rows] = pointers[found[level.parents], level.rows]
    found[(joint == -np.inf)[trees.root_of]] = -1
    return found, joint


def follow(
    smoothed: Smoothed,
    transitions: Transitions,
    index: Ints | None,
    structure: Chains | Trees,
    uniform: Floats,
) -> Ints:
    """States drawn from their joint posterior, first rows first, by one uniform number a row.

    Given its parent's state i, a row's state is j with probability proportional to
    table[i, j] right[j]: that needs no other state, so every row's answer to every i is made at
    once, and then followed.
    """
    states, size = smoothed.posterior.shape
    links = smoothed.links
    kind = np.int16 if states < 1 << 15 else np.int64
    pointers = np.empty((states, size), dtype=kind)
    step = max(1, _BLOCK // states**2)
    for i in range(0, size, step):
        rows = slice(i, min(i + step, size))
        used = None if index is None else index[rows]
        joint = transitions.rows(used, rows.stop - i) * links.right[:, rows]
        odd = slice(*np.searchsorted(links.rows, (i, rows.stop)))
        joint[:, :, links.rows[odd] - i] = links.pairs[:, :, odd]
        pointers[:, rows] = _pick(joint, uniform[rows])
    found = np.full(size, -1, np.int64)
    first = np.flatnonzero(structure.first)
    found[first] = _pick(smoothed.posterior[None, :, first], uniform[first])[0]
    if isinstance(structure, Chains):
        found = ahead(pointers, found, structure.lanes)
        dead = (smoothed.evidence == -np.inf)[structure.sequence]
    else:
        for level in structure.levels[1:]:
            found[level.rows] = pointers[found[level.parents], level.rows]
        dead = (smoothed.evidence == -np.inf)[structure.root_of]
    found[dead] = -1
    return found


def _pick(weight: Floats, uniform: Floats) -> Ints:
    """States drawn in proportion to weight (K_given, K, n), (K_given, n).

    Never a state of weight zero, unless all are: the bound lies below the total, and the first
    partial sum above it ends in a positive weight.
    """
    partial = np.add.accumulate(weight, axis=1)
    total = partial[:, -1, :]
    bound = np.minimum(uniform * total, np.nextafter(total, 0.0))
    found: Ints = (partial <= bound[:, None, :]).sum(axis=1)
    np.minimum(found, weight.shape[1] - 1, out=found)
    return found
