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
    if not ((np.isfinite(lower) | np.isfinite(upper)) & ~held).any():
        return shared_out(value, held)
    low, high = np.maximum(lower, 0.0), np.minimum(upper, 1.0)
    room = 1.0 - _sum(value, held)
    counted = ~held & (value > 0.0)
    spare = ~held & ~counted & (old > 0.0)
    last = ~held & ~counted & ~spare
    found = np.where(held, value, 0.0)
    later = counted | spare | last
    for weight, among in ((value, counted), (old, spare), (np.ones_like(old), last)):
        later = later & ~among
        part = _between(weight, among, low, high, room - _sum(low, later))
        found = np.where(among, part, found)
        room = room - _sum(part, among)
    finite = np.isfinite(value).all(axis=-1, keepdims=True)
    return np.where(finite, found, np.nan)


def _between(weight: Floats, among: Bools, low: Floats, high: Floats, total: Floats) -> Floats:
    """Of these entries min(max(weight / m, low), high), with m such that they sum to total.

    total : (..., 1). Where there is no such m they are all at one side. Other entries are 0.
    """
    found = np.where(among, low, 0.0)
    free = among
    while True:
        left = total - _sum(found, among & ~free)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(free, weight, 0.0) / _sum(weight, free) * left
        under, over = free & (share < low), free & (share > high)
        short, beyond = _sum(low - share, under), _sum(share - high, over)
        settled = (under & (short >= beyond)) | (over & (beyond >= short))
        if not settled.any():
            return np.where(free, share, found)
        found = np.where(settled, np.where(under, low, high), found)
        free = free & ~settled


def _sum(values: Floats, among: Bools) -> Floats:
    """Of these entries of each row, (..., 1)."""
    found: Floats = np.sum(values, axis=-1, keepdims=True, where=among)
    return found
