"""What ties and bounds do to updates of one entry at a time, and to shares that sum to one.

Tied entries have one value t, and Q in it is the sum of their Qs: the coefficients of its basis
functions are added up, and the formula for one entry is applied to the sums.

    sum over a class of  A_i log p_i  with  p_i = t   ⇒   (sum A_i) log t
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.held import Held

Floats = NDArray[np.float64]


def pooled(old: Floats, coefficient: Floats) -> Floats:
    """A coefficient (the parameter's shape, or its batch's) summed over tied entries.

    Every entry of a class gets the class's sum.
    """
    if not isinstance(old, Held):
        return coefficient
    rules = old.rules()
    span = rules.spans[old.name]
    classes = rules.classes[span.start : span.stop].reshape(span.shape)
    if span.kind == "posdef":  # tied as wholes; mirror images aren't to be added up
        size = span.shape[-1] ** 2
        classes = classes[..., :1, :1] * size + np.arange(size).reshape(span.shape[-2:])
    return _summed(coefficient, classes)


def _summed(value: Floats, classes: NDArray[np.intp]) -> Floats:
    """Sums over equal classes; of a batch's coefficient, over equal first entries."""
    value = np.asarray(value, dtype=np.float64)
    while classes.ndim > value.ndim:
        classes = classes[..., 0]
    value = np.broadcast_to(value, classes.shape)
    place = np.unique(classes, return_inverse=True)[1].reshape(-1)
    total = np.asarray(np.bincount(place, value.reshape(-1)), np.float64)
    return total[place].reshape(classes.shape)


def pooled_shares(counts: Floats, old: Floats) -> Floats:
    """Counts to normalise under ties: a class's sum, divided among its entries in a row.

    counts : (..., K). Tied rows pool their counts, tied entries of a row share equally.
    """
    counts = np.maximum(counts, 0.0)
    if not isinstance(old, Held):
        return counts
    rules = old.rules()
    span = rules.spans[old.name]
    classes = rules.classes[span.start : span.stop].reshape(span.shape)
    total = _summed(counts, classes)
    flat = classes.reshape(-1, span.shape[-1])
    ordered = np.sort(flat, axis=-1)
    if not (ordered[:, 1:] == ordered[:, :-1]).any():
        return total
    same = (flat[:, :, None] == flat[:, None, :]).sum(axis=-1)
    found: Floats = total / same.reshape(total.shape)
    return found


def bounded(new: Floats, old: Floats) -> Floats:
    """The update no further than the bounds: the maximum on them of a Q with a single peak."""
    if not isinstance(old, Held):
        return new
    lower, upper = old.rules().bounds(old.name)
    found: Floats = np.clip(new, lower, upper)
    return found
