"""Equal work found once: integer labels for equal combinations of integers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.intp]

_FEW = 0.6  # with more classes than this share of the items, sharing only costs
_RUNS = 0.3  # with more runs of equal keys than this share of them, all are looked at
_LONG = 4  # lists with more different entries than this are taken to be unlike all others


def label(keys: Index) -> tuple[Index, Index]:
    """Labels 0, 1, ... in the order of the keys (n,), and where each label occurs first."""
    if not keys.size:
        return keys.astype(np.intp), np.empty(0, np.intp)
    changes = keys[1:] != keys[:-1]
    runs = int(np.count_nonzero(changes)) + 1
    if runs > _RUNS * keys.size:
        return _labels(keys)
    heads = np.empty(runs, np.intp)  # where a run of equal keys begins: one of each is looked at
    heads[0] = 0
    heads[1:] = np.flatnonzero(changes)
    heads[1:] += 1
    labels, first = _labels(keys[heads])
    if len(first) == 1:
        return np.zeros(keys.size, np.intp), first
    return np.repeat(labels, np.diff(np.append(heads, keys.size))), heads[first]


def _labels(keys: Index) -> tuple[Index, Index]:
    low = int(keys.min())
    span = int(keys.max()) - low + 1
    if span == keys.size and (np.diff(keys) == 1).all():
        return np.arange(span), np.arange(span)
    if span > 4 * keys.size + 1024:
        found = np.unique(keys, return_index=True, return_inverse=True)
        return found[2].reshape(-1), found[1]
    near = keys - low if low else keys
    seen = np.zeros(span, bool)
    seen[near] = True
    rank = np.cumsum(seen) - 1
    labels: Index = rank[near]
    first = np.empty(int(rank[-1]) + 1, np.intp)
    first[labels[::-1]] = np.arange(keys.size - 1, -1, -1)
    return labels, first


def share(columns: Sequence[Index], size: int) -> tuple[Index, Index]:
    """Items equal in all columns (size,) get the same label; where each label occurs first.

    Where nearly all items differ, each gets its own.
    """
    labels, first = np.zeros(size, np.intp), np.zeros(min(size, 1), np.intp)
    for column in columns:
        other, _ = label(column)
        if not size or not other.any():
            continue
        labels, first = label(labels * (int(other.max()) + 1) + other)
        if len(first) > _FEW * size:
            return np.arange(size), np.arange(size)
    return labels, first


def bags(targets: Index, tokens: Index, size: int) -> list[Index]:
    """Columns (size,) that are equal for items with equal multisets of tokens.

    Token i (not negative) belongs to item `targets[i]`.
    """
    column = np.zeros(size, np.intp)
    if not targets.size:
        return [column]
    column[targets] = tokens + 1
    if _once(targets, size):
        return [column]
    order = np.lexsort((tokens, targets))
    t, k = targets[order], tokens[order]
    start = np.flatnonzero(np.append(True, (t[1:] != t[:-1]) | (k[1:] != k[:-1])))
    t, k, count = t[start], k[start], np.diff(np.append(start, len(order)))
    head = np.flatnonzero(np.append(True, t[1:] != t[:-1]))
    lengths = np.diff(np.append(head, len(t)))
    place = np.arange(len(t)) - np.repeat(head, lengths)
    own = np.zeros(size, np.intp)
    long = t[head[lengths > _LONG]]
    own[long] = np.arange(1, len(long) + 1)
    columns = [own]
    for i in range(min(int(lengths.max()), _LONG)):
        here = (place == i) & (own[t] == 0)
        for value in (k, count):
            column = np.zeros(size, np.intp)
            column[t[here]] = value[here] + 1
            columns.append(column)
    return columns


def _once(targets: Index, size: int) -> bool:
    """Whether no target occurs twice."""
    if (np.diff(targets) > 0).all():
        return True
    return int(np.bincount(targets, minlength=size).max()) <= 1


def piece(index: Index | slice, here: slice) -> Index | slice:
    """Some of the places: `index[here]`, for a slice, too (as `compact` makes them)."""
    if not isinstance(index, slice):
        found: Index = index[here]
        return found
    step = index.step or 1
    first = index.start + here.start * step
    return slice(first, first + (here.stop - here.start - 1) * step + 1, step)


def compact(index: Index) -> Index | slice:
    """The same places as a slice where they are evenly spaced, which needs no copying."""
    n = len(index)
    if n == 0:
        return slice(0, 0)
    start = int(index[0])
    step = int(index[1]) - start if n > 1 else 1
    if step <= 0:
        return index
    if n > 2 and (int(index[-1]) != start + step * (n - 1) or not (np.diff(index) == step).all()):
        return index
    return slice(start, start + step * (n - 1) + 1, step)
