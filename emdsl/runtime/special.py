"""Functions of live terms and their derivatives, safe at the ends of their ranges.

NumPy only, but for those that are SciPy's, which is loaded when one of them is first called.
All work entry by entry unless they have an `axis`, and take and return arrays of any shape.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.errors import DataError

Floats = NDArray[np.float64]

_ASYMPTOTIC = 300.0  # there 1 - A/k - A^2 has lost five digits, and its series none


def expit(x: Any, tail: Any = None) -> Floats:
    """1 / (1 + exp(-x)), to full relative precision on both sides; `tail` is exp(-|x|)."""
    small = np.exp(-np.abs(x)) if tail is None else tail
    # the numerator is 1 from 0 on, where a choice of either would be at random to the processor
    found: Floats = np.maximum(small, np.sign(x)) / (1.0 + small)
    return found


def log1pexp(x: Any, tail: Any = None) -> Floats:
    """log(1 + exp(x)); its derivative is `expit`. `tail` is exp(-|x|)."""
    small = np.exp(-np.abs(x)) if tail is None else tail
    found: Floats = np.maximum(x, 0.0) + np.log1p(small)
    return found


def abs_power(x: Any, power: Any, logs: int, signs: int) -> Floats:
    """|x|^power (log |x|)^logs sign(x)^signs: |x|^power and its derivatives.

    At zero it is zero, but for |x|^0: of derivatives that grow without bound, neither side's.
    """
    size = np.abs(x)
    corner = size == 0.0
    inside = np.where(corner, 1.0, size)
    found = np.power(inside, power)
    if logs:
        found = found * np.log(inside) ** logs
    if signs:
        found = found * np.sign(x)
    at_zero = np.equal(power, 0.0) if not logs and not signs else 0.0
    out: Floats = np.where(corner, at_zero, found)
    return out


def digamma(x: Any) -> Floats:
    """The derivative of log Gamma, x > 0."""
    from scipy import special

    return np.asarray(special.psi(x))


def trigamma(x: Any) -> Floats:
    """The second derivative of log Gamma, x > 0."""
    from scipy import special

    return np.asarray(special.zeta(2.0, x))


def log_multi_gamma(a: float, order: int) -> float:
    """The log of the multivariate gamma function (Muirhead 1982, theorem 2.1.12).

    Raises DataError where `a`, half of some degrees of freedom, isn't above (order - 1) / 2.
    """
    from scipy import special

    if not a > 0.5 * (order - 1):
        raise DataError(
            f"{2.0 * a:.6g} degrees of freedom are too few for matrices of order {order}, "
            f"expected more than {order - 1}"
        )
    return float(special.multigammaln(a, order))


def log_i0(k: Any) -> Floats:
    """log I0(k) of the modified Bessel function, for k of any size."""
    from scipy import special

    found: Floats = np.log(special.i0e(k)) + np.abs(k)
    return found


def bessel_ratio(k: Any) -> Floats:
    """A(k) = I1(k) / I0(k), the derivative of log I0 (Mardia and Jupp 2000, section 3.5.4)."""
    from scipy import special

    return np.asarray(special.i1e(k) / special.i0e(k))


def bessel_slope(k: Any) -> Floats:
    """A'(k) = 1 - A(k) / k - A(k)^2, the second derivative of log I0.

    It is 1/2 at 0 and about 1 / (2 k^2) far out. There what is subtracted is nearly equal, so it
    is summed by the series that the equation itself gives with A = sum a_j k^-j.
    """
    k = np.abs(np.asarray(k, dtype=np.float64))
    ratio = bessel_ratio(k)
    near = 1.0 - np.where(k > 0.0, ratio / np.where(k > 0.0, k, 1.0), 0.5) - ratio * ratio
    if not (k > _ASYMPTOTIC).any():
        return np.asarray(near)
    u = 1.0 / np.maximum(k, _ASYMPTOTIC)
    series = 25 / 32 + u * (65 / 32 + u * (3219 / 512))
    far = u * u * (0.5 + u * (0.25 + u * (0.375 + u * series)))
    return np.where(k > _ASYMPTOTIC, far, near)


def logsumexp(x: Floats, axis: int | tuple[int, ...]) -> Floats:
    """log sum exp(x) over an axis or axes, which go; minus infinity where all entries are."""
    top = x.max(axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        found: Floats = np.log(np.exp(x - top).sum(axis=axis))
    found += top.reshape(found.shape)
    return found


def softmax(x: Floats, axis: int | tuple[int, ...]) -> tuple[Floats, Floats]:
    """logsumexp(x), and its derivative exp(x - logsumexp(x)): zero where all are excluded."""
    top = x.max(axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    share: Floats = np.exp(x - top)
    total = share.sum(axis=axis, keepdims=True)
    share /= np.where(total > 0.0, total, 1.0)
    with np.errstate(divide="ignore"):
        found: Floats = np.log(total)
    found += top
    return np.squeeze(found, axis), share
