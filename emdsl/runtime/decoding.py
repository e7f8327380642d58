"""The most probable states together, and draws of all states: walks along pointers.

Both make, for each row and each state of one neighbour, the state to go to next; then all chains
or trees follow these pointers together.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.compiled import Kernel, kernel
from emdsl.runtime.sequences import Chains
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
    pieces, log_table = chains.pieces, transitions.log
    kind = np.int16 if states < 1 << 15 else np.int64
    pointers = np.empty((states, size), dtype=kind)  # packed along rows, not in slabs
    spans = list(pairwise(pieces.offsets.tolist()))
    score = np.zeros((states, len(chains.lengths)))
    for t, (i, j) in enumerate(spans):
        rows = pieces.rows[i:j]
        if t:
            used = None if index is None else index[rows]
            pointers[:, i:j], best = _best(score[:, : j - i], log_table, used)
            score[:, : j - i] = best + unary[:, rows]
        else:
            score[:] = unary[:, rows]
    final = score.argmax(axis=0)  # at each piece's own last row
    log_joint = score.max(axis=0)
    found = np.empty(size, np.int64)
    state = final.copy()
    for i, j in reversed(spans):
        found[pieces.rows[i:j]] = state[: j - i]
        if i:
            state[: j - i] = pointers[state[: j - i], np.arange(i, j)]
    joint = np.empty(len(chains.lengths))
    joint[pieces.sequence] = log_joint
    found[(joint == -np.inf)[chains.sequence]] = -1
    return found, joint


def _compiled(
    best: Kernel, unary: Floats, transitions: Transitions, index: Ints | None, chains: Chains
) -> tuple[Ints, Floats]:
    """The same by a compiled loop."""
    states, size = unary.shape
    found, joint = np.empty(size, np.int64), np.empty(len(chains.lengths))
    turned = np.ascontiguousarray(transitions.log.transpose(0, 2, 1))
    used = np.zeros(0, np.int64) if index is None else index
    pointers = np.empty((size, states), np.int16)
    best(np.ascontiguousarray(unary), turned, used, chains.starts, chains.lengths, pointers, found, joint)
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
        pieces = structure.pieces
        ends = pieces.offsets.tolist()
        state = found[pieces.rows[: ends[1]]] if size else found
        for i, j in pairwise(ends[1:]):
            rows_now = pieces.rows[i:j]
            state = pointers[state[: j - i], rows_now]
            found[rows_now] = state
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
