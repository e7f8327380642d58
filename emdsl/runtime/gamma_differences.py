"""Differences of log Gamma and its derivatives, with the digits of the difference.

log Gamma(x + d) - log Gamma(x) is about d log x, where each log Gamma is about x log x: far out
the digits of the one are gone in the other. What is left of them matters where families go to a
limit (a negative binomial to a Poisson, a t to a normal), since there the derivatives of whole
log likelihoods are differences of these.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_FAR = 16.0  # from there Stirling's series, as far as they are written, have full precision


def log_rising(x: Any, d: Any) -> Floats:
    """log Gamma(x + d) - log Gamma(x), x and x + d > 0; arrays that fit together.

    Far out by Stirling's series (DLMF 5.11.1), whose leading terms are subtracted by hand.
    """
    from scipy import special

    return _difference(x, d, special.gammaln, _far_log)


def digamma_rise(x: Any, d: Any) -> Floats:
    """digamma(x + d) - digamma(x): the derivative of `log_rising` by x (DLMF 5.11.2)."""
    from scipy import special

    return _difference(x, d, special.psi, _far_digamma)


def trigamma_rise(x: Any, d: Any) -> Floats:
    """trigamma(x + d) - trigamma(x): the second derivative of `log_rising` by x."""
    return _difference(x, d, _trigamma, _far_trigamma)


def _trigamma(x: Floats) -> Floats:
    from scipy import special

    return np.asarray(special.zeta(2.0, x))


def _difference(x: Any, d: Any, function: Any, far: Any) -> Floats:
    """function(x + d) - function(x): by itself where x is small, by `far` where both are large."""
    x, d = np.asarray(x, dtype=np.float64), np.asarray(d, dtype=np.float64)
    if d.size and d.min() < 0.0:  # steps down, from x + d up again
        lower = np.minimum(x, x + d)
        found = _difference(lower, np.abs(d), function, far)
        return np.asarray(np.where(d < 0.0, -found, found))
    small = x < _FAR
    if not small.any():
        return np.asarray(far(x, d))
    if small.all():
        return np.asarray(function(x + d) - function(x))
    if x.shape[-1] == 1 and d.ndim == 1:  # parameters, of all the data in turn
        out: Floats = np.empty(np.broadcast_shapes(x.shape, d.shape))
        near = small[..., 0]
        out[near] = function(x[near] + d) - function(x[near])
        out[~near] = far(x[~near], d)
        return out
    low, high = np.minimum(x, _FAR), np.maximum(x, _FAR)
    found = np.where(small, function(low + d) - function(low), far(high, d))
    return np.asarray(found)


def _far_log(x: Floats, d: Floats) -> Floats:
    y = x + d
    # (y - 1/2) log y - y - (x - 1/2) log x + x
    found: Floats = (x - 0.5) * np.log1p(d / x) - d
    found += d * np.log(y)
    found += _log_rest(y)
    found -= _log_rest(x)
    return found


def _far_digamma(x: Floats, d: Floats) -> Floats:
    y = x + d
    ratio = d / x
    found: Floats = np.log1p(ratio)
    found += 0.5 * ratio / y
    found += _digamma_rest(y)
    found -= _digamma_rest(x)
    return found


def _far_trigamma(x: Floats, d: Floats) -> Floats:
    y = x + d
    step = d / x / y  # 1 / x - 1 / y
    found: Floats = -step
    found -= 0.5 * step * (1.0 / x + 1.0 / y)
    found += _trigamma_rest(y)
    found -= _trigamma_rest(x)
    return found


def _log_rest(x: Floats) -> Floats:
    """log Gamma(x) - (x - 1/2) log x + x - 1/2 log 2 pi, x >= 16 (DLMF 5.11.1)."""
    v = 1.0 / x
    u = v * v
    series = 1 / 1260 - u * (1 / 1680 - u * (1 / 1188 - u * (691 / 360360)))
    found: Floats = v * (1 / 12 - u * (1 / 360 - u * series))
    return found


def _digamma_rest(x: Floats) -> Floats:
    """digamma(x) - log x + 1 / (2 x), x >= 16 (DLMF 5.11.2)."""
    u = 1.0 / x
    u = u * u
    series = 1 / 252 - u * (1 / 240 - u * (1 / 132 - u * (691 / 32760)))
    found: Floats = -u * (1 / 12 - u * (1 / 120 - u * series))
    return found


def _trigamma_rest(x: Floats) -> Floats:
    """trigamma(x) - 1 / x - 1 / (2 x^2), x >= 16: the derivative of `_digamma_rest`."""
    v = 1.0 / x
    u = v * v
    series = 1 / 42 - u * (1 / 30 - u * (5 / 66 - u * (691 / 2730)))
    found: Floats = u * v * (1 / 6 - u * (1 / 30 - u * series))
    return found
