"""Chains in log space, exactly: slower, for sequences whose messages underflow.

Here a message entry may be e^-100000 of another and still count. Every function takes rows of a
few sequences already cut out, one after the other, and walks them all together.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.compiled import kernel
from emdsl.runtime.sequences import Chains
from emdsl.runtime.transitions import Transitions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SLOW = 2  # more than one: NumPy is slow at this, compiled code pays sooner


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
    # log p(z_t | x_0..t-1), p(z_t | x_0..t) and p(x_t.. | z_t-1) / p(x_t.. | x_0..t-1); scales
    coming, left, message = (np.zeros((states, size)) for _ in range(3))
    log_scale = np.zeros(size)
    forward = kernel("exact forward", states, size, _SLOW)
    backward = kernel("exact backward", states, size, _SLOW)
    if forward is None or backward is None:
        _walk(unary, transitions, index, chains, coming, left, message, log_scale)
    else:
        used = np.zeros(0, np.int64) if index is None else index
        given = np.ascontiguousarray(unary), transitions.log, used, chains.starts, chains.lengths
        forward(*given, coming, left, log_scale)
        backward(*given, message, log_scale)
    evidence = np.add.reduceat(log_scale, chains.starts)
    dead = (evidence == -np.inf)[chains.sequence]
    scale = np.where(log_scale == -np.inf, 0.0, log_scale)
    posterior = _normal(left + message, (0,))
    pairs = np.full((states, states, size), -np.inf)
    pairs[:, :, 1:] = _tables(transitions.log, None if index is None else index[1:])
    pairs[:, :, 1:] += left[:, None, :-1]
    pairs += unary + message - scale
    pairs[:, :, chains.starts] = -np.inf
    pairs = _normal(pairs, (0, 1))
    posterior[:, dead] = 0.0
    pairs[:, :, dead] = 0.0
    predicted = _normal(coming, (0,))
    predicted[:, chains.starts] = np.nan
    return Exact(evidence, log_scale, np.exp(left), predicted, posterior, pairs)


def _walk(
    unary: Floats,
    transitions: Transitions,
    index: Ints | None,
    chains: Chains,
    coming: Floats,
    left: Floats,
    message: Floats,
    log_scale: Floats,
) -> None:
    """Fill coming, left, message and log_scale, all sequences a step at a time."""
    pieces = chains.pieces
    spans = list(itertools.pairwise(pieces.offsets.tolist()))
    tables = [
        _tables(transitions.log, None if index is None else index[pieces.rows[i:j]])
        for i, j in spans
    ]
    for t, (i, j) in enumerate(spans):
        rows = pieces.rows[i:j]
        if t:
            coming[:, rows] = log_sum(left[:, None, rows - 1] + tables[t], axis=0)
        joint = unary[:, rows] + coming[:, rows]
        scale = log_sum(joint, axis=0)
        log_scale[rows] = scale
        left[:, rows] = joint - np.where(scale == -np.inf, 0.0, scale)
    for t in range(pieces.steps - 1, 0, -1):
        rows = pieces.rows[spans[t][0] : spans[t][1]]
        scale = log_scale[rows]
        after = unary[:, rows] + message[:, rows] - np.where(scale == -np.inf, 0.0, scale)
        message[:, rows - 1] = log_sum(tables[t] + after, axis=1)


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
