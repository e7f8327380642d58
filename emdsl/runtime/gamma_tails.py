"""The log of a Gamma beyond a point: how far on from it, and how spread.

Of t ~ Gamma(a, 1), above x or below it:

    log_excess    E[log t - log x | t > x]      log_excess_spread    Var[log t | t > x]
    log_deficit   E[log x - log t | t < x]      log_deficit_spread   Var[log t | t < x]

They are the derivatives of the log incomplete gamma functions by a:

    d/da log Q(a, x) = E[log t | t > x] - digamma(a)

In w = |log t - log x| the density is exp(+-a w - x e^(+-w)) up to a factor, log-concave. It is
summed by Gauss-Legendre quadrature on both sides of its peak, as far as it counts; nothing is
subtracted.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_DEPTH = 45.0  # what has fallen to exp(-45) of the highest doesn't count
_NODES = 24
_PANELS = (2.0**-14, 2.0**-9, 2.0**-5, 2.0**-2)


def log_excess(a: Any, x: Any) -> Floats:
    """E[log t - log x | t > x], a, x > 0."""
    return _moments(a, x, 1.0)[0]


def log_excess_spread(a: Any, x: Any) -> Floats:
    """Var[log t | t > x]: the derivative of `log_excess` by a."""
    return _moments(a, x, 1.0)[1]


def log_deficit(a: Any, x: Any) -> Floats:
    """E[log x - log t | t < x], a, x > 0."""
    return _moments(a, x, -1.0)[0]


def log_deficit_spread(a: Any, x: Any) -> Floats:
    """Var[log t | t < x]: minus the derivative of `log_deficit` by a."""
    return _moments(a, x, -1.0)[1]


def _moments(a: Any, x: Any, sign: float) -> tuple[Floats, Floats]:
    """The mean and the variance of w >= 0 of log density sign a w - x (e^(sign w) - 1)."""
    a, x = (np.asarray(v, dtype=np.float64) for v in np.broadcast_arrays(a, x))

    def height(w: Floats, a: Floats = a, x: Floats = x) -> Floats:
        with np.errstate(over="ignore"):
            found: Floats = sign * a * w - x * np.expm1(sign * w)
        return found

    peak = np.maximum(sign * (np.log(a) - np.log(x)), 0.0)
    top = height(peak)
    left = _fallen(height, top, peak, np.zeros_like(peak))
    step = 1.0 / np.maximum(a, x) + 1.0 / np.sqrt(np.maximum(a, x))
    far = peak + step
    for _ in range(1100):  # out by doubling until it has fallen
        short = height(far) > top - _DEPTH
        if not short.any():
            break
        far = np.where(short, peak + 2.0 * (far - peak), far)
    right = _fallen(height, top, peak, far)
    node, weight = _rule()
    w = np.concatenate([
        peak[..., None] - (peak - left)[..., None] * node,
        peak[..., None] + (right - peak)[..., None] * node,
    ], axis=-1)  # fmt: skip
    mass = np.exp(height(w, a[..., None], x[..., None]) - top[..., None])
    mass *= np.concatenate([
        (peak - left)[..., None] * weight, (right - peak)[..., None] * weight
    ], axis=-1)  # fmt: skip
    total = mass.sum(axis=-1)
    mean = (w * mass).sum(axis=-1) / total
    variance = ((w - mean[..., None]) ** 2 * mass).sum(axis=-1) / total
    return mean, variance


def _fallen(height: Any, top: Floats, peak: Floats, far: Floats) -> Floats:
    """Between the peak and `far`, about where it has fallen by the depth; `far` if it hasn't."""
    near, out = peak, far
    for _ in range(40):
        middle = (near + out) / 2.0
        high = height(middle) > top - _DEPTH
        near, out = np.where(high, middle, near), np.where(high, out, middle)
    return out


@cache
def _rule() -> tuple[Floats, Floats]:
    """Gauss-Legendre nodes and weights on [0, 1], panel by panel.

    Where a is small the density falls slowly once x e^-w is gone, so panels grow from the peak on.
    """
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    cuts = np.array([0.0, *_PANELS, 1.0])
    width = np.diff(cuts)[:, None] / 2.0
    return (cuts[:-1, None] + width * (node + 1.0)).ravel(), (width * weight).ravel()
