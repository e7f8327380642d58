"""Positive vectors whose product is 1, many at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST = 1e-60  # what stands for a ratio of zero: no spread at all along an axis
_STEPS = 60


def unit_product(logs: Floats, powers: Floats, power: float) -> Floats:
    """Maximise sum_l A_l log s_l + B_l s_l^p where prod_l s_l = 1.

    With a multiplier m for sum_l log s_l = 0:  s_l^p = (A_l + m) / (-p B_l). Where the A are equal
    that is 1 / |B_l| over its geometric mean; else m is where the logs add to zero, by Newton,
    which climbs to it from below as the sum is concave in m.

    logs : A, powers : B <= 0, both (..., D). NaN, for `settle`, where all B are zero or undefined.
    """
    b = np.maximum(-powers * abs(power), 0.0)  # rounding may leave it on the wrong side of zero
    top = b.max(axis=-1, keepdims=True)
    undefined = ~(np.isfinite(top) & (top > 0.0) & np.isfinite(logs).all(axis=-1, keepdims=True))
    b = np.where(undefined, 1.0, np.maximum(b, LEAST * top))
    a = np.where(undefined, 0.0, logs if power > 0 else -logs)
    total = np.log(b).sum(axis=-1, keepdims=True)
    size = b.shape[-1]
    mean = np.exp(total / size)
    least = a.min(axis=-1, keepdims=True)
    above = a - least  # by how much each A + m is above the least of them, m' = least + m
    width = above.max(axis=-1, keepdims=True)
    root = np.exp(total - (size - 1) * np.log(width + mean))
    for _ in range(_STEPS if width.any() else 0):
        slope = (1.0 / (above + root)).sum(axis=-1, keepdims=True)
        step = (total - np.log(above + root).sum(axis=-1, keepdims=True)) / slope
        root = root + np.maximum(step, 0.0)
        if not (step > 1e-15 * root).any():
            break
    logged = (np.log(above + root) - np.log(b)) / power
    logged = logged - logged.mean(axis=-1, keepdims=True)
    return np.where(undefined, np.nan, np.exp(logged))


def held(value: Floats, edge: Floats) -> Floats:
    """The vector with no entry below its edge, the others scaled so that the product stays 1.

    value, edge : (..., D), the edges' product at most 1.
    """
    logged, low = np.log(value), np.log(np.broadcast_to(edge, value.shape))
    free = logged > low
    for _ in range(value.shape[-1]):
        count = np.maximum(free.sum(axis=-1, keepdims=True), 1)
        spare = -np.where(free, logged, low).sum(axis=-1, keepdims=True) / count
        newly = free & (logged + spare < low)
        if not newly.any():
            break
        free &= ~newly
    found: Floats = np.exp(np.where(free, logged + spare, low))
    return found
