"""Exact draws from the generalised inverse Gaussian distribution, by rejection.

Devroye 2014, "Random variate generation for the generalized inverse Gaussian distribution": the
density of s = log u, seen from its peak, is log-concave, and lies below one that is flat in the
middle and exponential at both ends; at least a fixed share of proposals is taken, whatever the
parameters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_HUGE = 1e300  # in place of exp(s) beyond it, where no proposal is taken


def gig_draws(rng: np.random.Generator, order: Floats, root: Floats) -> Floats:
    """One s for each entry, of density proportional to exp(-E(s)); see `gig_integrals`.

    order >= 0, root = sqrt(w - v) >= 0, (n,) each and not both 0.
    """
    out = np.empty(len(order))
    left, right = _ends(order, root)
    high, high_slope = _fall(right, order, root)  # log density and its slope, both positive down
    low, low_slope = _fall(-left, order, root)
    low_slope = -low_slope
    # where the exponential ends begin
    start, stop = left - low / low_slope, right - high / high_slope
    middle = start + stop
    open_rows = np.arange(len(order))
    while len(open_rows):
        i = open_rows
        part = rng.random(len(i)) * (middle[i] + 1.0 / high_slope[i] + 1.0 / low_slope[i])
        v, tail = rng.random(len(i)), rng.standard_exponential(len(i))
        ahead = part < middle[i] + 1.0 / high_slope[i]
        s = np.where(ahead, stop[i] + tail / high_slope[i], -start[i] - tail / low_slope[i])
        s = np.where(part < middle[i], -start[i] + v * middle[i], s)
        hat = np.where(s > stop[i], high[i] + high_slope[i] * (s - right[i]), 0.0)
        hat = np.where(s < -start[i], low[i] - low_slope[i] * (s + left[i]), hat)
        taken = rng.standard_exponential(len(i)) >= _fall(s, order[i], root[i])[0] - hat
        out[i[taken]] = s[taken]
        open_rows = i[~taken]
    return out


def _fall(s: Floats, order: Floats, root: Floats) -> tuple[Floats, Floats]:
    """E(s) and its derivative."""
    with np.errstate(over="ignore"):
        sinh = np.sinh(0.5 * s)
        rise = np.minimum(np.expm1(s), _HUGE)
        value = 2.0 * (root * sinh) ** 2 + order * (rise - s)
        slope = root * (root * np.sinh(s)) + order * rise
    return value, slope


def _ends(order: Floats, root: Floats) -> tuple[Floats, Floats]:
    """Places left and right of the peak where E is about 1, (n,) each, positive."""
    alpha = root * root
    one = np.ones_like(order)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        e = _fall(one, order, root)[0]
        right = np.where(e > 2.0, np.sqrt(2.0 / (alpha + order)), 1.0)
        right = np.where(e < 0.5, np.log(4.0 / (alpha + 2.0 * order)), right)
        e = _fall(-one, order, root)[0]
        left = np.where(e > 2.0, np.sqrt(4.0 / (alpha * np.cosh(1.0) + order)), 1.0)
        # log(1 + 1/alpha + sqrt(1/alpha^2 + 2/alpha)) = 2 arcsinh(1 / (sqrt 2 root))
        tiny = np.minimum(1.0 / order, 2.0 * np.arcsinh(np.sqrt(0.5) / root))
        left = np.where(e < 0.5, tiny, left)
    return left, right
