"""Rows that sum to one, with entries that are held or kept between bounds.

    max  sum_k s_k log p_k    subject to    sum_k p_k = 1,   l_k <= p_k <= u_k

Q is concave, and with a multiplier m for the sum it is highest where (Karush, Kuhn and Tucker)

    p_k = min(max(s_k / m, l_k), u_k)

with the one m at which these sum to 1. It takes no search. Take shares in proportion to s, and put
those that are beyond a bound at it: if that adds to their sum, m is greater than theirs, and those
below a lower bound are at it at the maximum too; if it takes from the sum, those above an upper
one are. The others share the rest (Bitran and Hax, Management Science 27 (1981)). Each round
settles one entry or more of every row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def shared_out(value: Floats, held: Bools) -> Floats:
    """Rows of a simplex whose entries that aren't held share what the others leave, in proportion.

    Where they have nothing to be in proportion to they are NaN.
    """
    if not held.any():
        return value
    left = np.maximum(1.0 - np.where(held, value, 0.0).sum(axis=-1, keepdims=True), 0.0)
    left = np.where(left < 1e-15, 0.0, left)
    loose = np.where(held, 0.0, value)
    total = loose.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(left > 0.0, loose * (left / total), 0.0)
    found: Floats = np.where(held, value, share)
    return found


def shared_within(value: Floats, held: Bools, lower: Floats, upper: Floats, old: Floats) -> Floats:
    """The same where entries have bounds, with `value` for s: the maximum of the module's text.

    All (..., K); infinite where there is no bound. Held and lower ones sum to 1 at most, held and
    upper ones to 1 at least.

    Mass that entries with s > 0 have no room for changes nothing between those with s = 0, which
    share it in proportion to their old values: a row without counts stays as it is, if it is within
    the bounds. An s < 0 (of a Dirichlet argument below 1) is like 0; such an entry is at its lower
    bound, or no higher than it was. Rows that aren't finite are NaN.
    """
    bounded = np.isfinite(lower) | np.isfinite(upper)
    if not (bounded & ~held).any():
        return shared_out(value, held)
    low, high = np.maximum(lower, 0.0), np.minimum(upper, 1.0)
    found = np.where(held, value, low)
    finite = np.isfinite(value)
    counted = ~held & finite & (value > 0.0)
    other = ~held & ~counted
    tiers = [(value, counted)]
    if other.any():
        was = other & (old > 0.0)
        tiers += [(old, was), (np.ones_like(old), other & ~was)]
    for weight, among in tiers:
        left = 1.0 - np.where(among, 0.0, found).sum(axis=-1, keepdims=True)
        found = np.where(among, _between(np.where(among, weight, 0.0), low, high, left), found)
    whole = finite.all(axis=-1, keepdims=True)
    return found if whole.all() else np.where(whole, found, np.nan)


def _between(weight: Floats, low: Floats, high: Floats, total: Floats) -> Floats:
    """min(max(weight / m, low), high), with m such that those with a weight sum to total.

    weight, low, high : (..., K), weights not below 0; total : (..., 1). Where there is no such m
    they are all at one side. What has no weight is of no meaning.
    """
    found = np.zeros_like(weight)
    while True:
        sums = weight.sum(axis=-1, keepdims=True)
        left = total - found.sum(axis=-1, keepdims=True)
        share = weight / np.where(sums > 0.0, sums, 1.0) * left
        inside = np.minimum(np.maximum(share, low), high)
        moved = np.where(weight > 0.0, inside - share, 0.0)
        if not moved.any():
            free: Floats = found + share
            return free
        more = moved.sum(axis=-1, keepdims=True)
        settled = ((moved > 0.0) & (more >= 0.0)) | ((moved < 0.0) & (more <= 0.0))
        found = np.where(settled, inside, found)
        weight = np.where(settled, 0.0, weight)
