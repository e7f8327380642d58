"""Logs of Beta functions without cancellation, and logs of Gamma draws without underflow."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_FAR = 10.0  # from there Stirling's series, as far as it is written, has full precision


def log_beta(a: Floats, b: Floats) -> Floats:
    """log Gamma(a) + log Gamma(b) - log Gamma(a + b), a and b > 0, of any size.

    Where the larger is far out Stirling's series stands for what would cancel (DiDonato and Morris
    1992, section 2).
    """
    from scipy import special

    small, large = np.minimum(a, b), np.maximum(a, b)
    near = small < _FAR
    total = small + large
    share = np.log1p(small / large)
    if not near.any():
        return _log_beta_far(small, large, share)
    low = np.minimum(small, _FAR)
    # the larger one may be near as well: all three Gamma functions are then moderate
    close = np.minimum(large, _FAR)
    direct = special.gammaln(low) + special.gammaln(close) - special.gammaln(low + close)
    far = np.maximum(large, _FAR)
    rest = _stirling(far) - _stirling(far + low)
    rise = (far - 0.5) * np.log1p(low / far) + low * (np.log(far + low) - 1.0) - rest
    mixed = special.gammaln(low) - rise
    both = _log_beta_far(np.maximum(small, _FAR), np.maximum(large, _FAR), share)
    found: Floats = np.where(total <= _FAR, direct, np.where(near, mixed, both))
    return np.where(near & (large < _FAR), direct, found)


def _log_beta_far(small: Floats, large: Floats, share: Floats) -> Floats:
    """Both at least `_FAR`; share = log(1 + small / large)."""
    ratio = small / large
    powers = (large - 0.5) * share + small * (share - np.log(ratio))
    rest = _stirling(small) + _stirling(large) - _stirling(small + large)
    found: Floats = 0.5 * math.log(2.0 * math.pi) - 0.5 * np.log(small) - powers + rest
    return found


def _stirling(x: Floats) -> Floats:
    """log Gamma(x) - (x - 1/2) log x + x - 1/2 log 2 pi, x >= 10 (DLMF 5.11.1)."""
    u = 1.0 / (x * x)
    series = 1 / 1680 - u * (1 / 1188 - u * (691 / 360360 - u / 156))
    found: Floats = (1 / 12 - u * (1 / 360 - u * (1 / 1260 - u * series))) / x
    return found


def log_gamma_draws(rng: np.random.Generator, shape: Floats) -> Floats:
    """The logs of draws from Gamma(shape, 1), one for each entry.

    Gamma(a) is Gamma(a + 1) U^(1/a) (Marsaglia and Tsang 2000, section 6), whose log doesn't
    underflow where a is small.
    """
    high = np.log(rng.standard_gamma(shape + 1.0))
    found: Floats = high - rng.standard_exponential(np.shape(shape)) / shape
    return found
