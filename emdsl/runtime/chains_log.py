"""Chains in log space, exactly: slower, for sequences whose messages underflow.

Here a message entry may be e^-100000 of another and still count. Every function takes rows of a
few sequences already cut out, one after the other, and walks them all together.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.sequences import Chains
from emdsl.runtime.transitions import Transitions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Exact:
    """What `forward_backward` finds of these sequences; see `Smoothed` for the fields."""

    evidence: Floats  # (S,)
    log_scale: Floats  # (N,)
    filtered: Floats  # (K, N)
    predicted: Floats  # (K, N)
    posterior: Floats  # (K, N)
    pairs: Floats  # (K, K, N)


def log_sum(terms: Floats, axis: int) -> Floats:
    """log of the sum of exp(terms) along an axis; -inf where all terms are."""
    top = terms.max(axis=axis, keepdims=True)
    top[top == -np.inf] = 0.0
    with np.errstate(divide="ignore"):
        found: Floats = np.log(np.exp(terms - top).sum(axis=axis)) + np.squeeze(top, axis)
    return found


def exact(unary: Floats, transitions: Transitions, index: Ints | None, chains: Chains) -> Exact:
    """Forward and backward in log space; rows of unary (K, N) and index are those of `chains`."""
    states, size = unary.shape
    log_table = transitions.log
    pieces = chains.pieces
    left = np.empty((states, size))  # log p(z_t | x_0..t)
    predicted = np.full((states, size), np.nan)
    log_scale = np.empty(size)
    spans = list(pairwise(pieces.offsets.tolist()))
    tables = [
        _tables(log_table, None if index is None else index[pieces.rows[i:j]]) for i, j in spans
    ]
    for t, (i, j) in enumerate(spans):
        rows = pieces.rows[i:j]
        joint = unary[:, rows]
        if t:
            coming = log_sum(left[:, None, rows - 1] + tables[t], axis=0)
            predicted[:, rows] = _normal(coming, (0,))
            joint += coming
        scale = log_sum(joint, axis=0)
        log_scale[rows] = scale
        left[:, rows] = joint - np.where(scale == -np.inf, 0.0, scale)
    posterior = np.empty((states, size))
    pairs = np.zeros((states, states, size))
    right = np.zeros((states, len(chains.lengths)))
    for t in range(pieces.steps - 1, -1, -1):
        i, j = spans[t]
        rows, message = pieces.rows[i:j], right[:, : j - i]
        posterior[:, rows] = left[:, rows] + message
        after = unary[:, rows] + message
        scale = log_scale[rows]
        after -= np.where(scale == -np.inf, 0.0, scale)
        if t:
            joint = tables[t] + after
            pairs[:, :, rows] = left[:, None, rows - 1] + joint
            right[:, : j - i] = log_sum(joint, axis=1)
    evidence = np.add.reduceat(log_scale, chains.starts)
    posterior = _normal(posterior, (0,))
    pairs[:, :, chains.starts] = -np.inf
    pairs = _normal(pairs, (0, 1))
    dead = (evidence == -np.inf)[chains.sequence]
    posterior[:, dead] = 0.0
    pairs[:, :, dead] = 0.0
    return Exact(evidence, log_scale, np.exp(left), predicted, posterior, pairs)


def _tables(log_table: Floats, index: Ints | None) -> Floats:
    """The log tables of these rows, (K, K, n), or (K, K, 1) for all."""
    found: Floats = log_table[:1] if index is None else log_table[index]
    return found.transpose(1, 2, 0)


def _normal(logs: Floats, axes: tuple[int, ...]) -> Floats:
    """exp(logs), normalised over the axes; zeros where all logs are -inf."""
    top = logs.max(axis=axes)
    top[top == -np.inf] = 0.0
    found: Floats = np.exp(logs - top)
    total = found.sum(axis=axes)
    found /= np.where(total > 0.0, total, 1.0)
    return found
