"""Integrals over the generalised inverse Gaussian distribution, for any order and argument.

With z = 2 sqrt(p q), order v >= 0, w = sqrt(v^2 + z^2) and u = exp(s) (v + w) / (2 p), whose mode
in log u is s = 0,

    u^v exp(-p u - q / u) = const exp(-E(s)),
    E(s) = (w - v) (cosh s - 1) + v (exp(s) - 1 - s),    w - v = z^2 / (w + v)

(K_v's integral representation, DLMF 10.32.9, seen from its peak). Both ends fall as exp(-exp |s|),
where the trapezoidal rule converges geometrically (Trefethen and Weideman 2014, section 5): some
thirty to a hundred terms, all positive, give the integral and every moment to rounding. Takekawa
2022 does so for K_v and its derivatives in v. No recurrence and no difference in v is needed, and
q -> 0 is the gamma distribution without a seam.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_DEPTH = 42.0  # the terms left out are below exp(-42) of the largest
_CELLS = 1 << 14  # terms that are summed together
_HUGE = 1e300  # in place of exp |s| beyond it
_FAR = 690.0  # where it is: only logs reach


@dataclass(frozen=True, slots=True)
class Sums:
    """Entry by entry (n,): log integral exp(-E(s)) ds, and moments of s under it.

    `up` = log E[exp s], `down` = log E[exp -s]; `up_spread` and `down_spread` are the logs of the
    variances of exp s and exp -s.
    """

    log_integral: Floats
    mean: Floats
    up: Floats
    down: Floats
    up_spread: Floats
    down_spread: Floats


def gig_sums(order: Floats, root: Floats, wide: Floats, *, spreads: bool = False) -> Sums:
    """The integrals; order v >= 0, root = sqrt(w - v) = z / sqrt(w + v), wide = w, (n,) each.

    Where root is 0 (the gamma distribution) what is infinite comes out as infinite. Variances are
    only there (else 0) with `spreads`.
    """
    weight = 2.0 if spreads else 1.0
    left, right = _reach(order, root, wide, weight)
    # |exp(-E(x + i y))| <= exp(-w log cos y), whence the error exp(-2 pi y / step - w log cos y)
    step = 1.0 / np.sqrt(19.0 + 2.0 * wide)
    count = np.ceil((left + right) / step) + 1.0
    size = np.exp2(np.ceil(2.0 * np.log2(count)) / 2.0).astype(np.intp)  # few different ones
    out = np.zeros((6, len(order)))
    for n in np.unique(size):
        rows = np.flatnonzero(size == n)
        for start in range(0, len(rows), max(_CELLS // int(n), 1)):
            some = rows[start : start + max(_CELLS // int(n), 1)]
            ends = left[some], right[some]
            out[:, some] = _trapezoid(order[some], root[some], *ends, int(n), spreads=spreads)
    gamma = root == 0.0
    if gamma.any():
        with np.errstate(divide="ignore", invalid="ignore"):
            down = np.where(order > 1.0, order / (order - 1.0), np.inf)
            spread = np.where(order > 2.0, down * down / (order - 2.0), np.inf)
        out[3] = np.where(gamma, np.log(down), out[3])
        out[5] = np.where(gamma, np.log(spread), out[5])
    return Sums(*out)


def _reach(order: Floats, root: Floats, wide: Floats, weight: float) -> tuple[Floats, Floats]:
    """How far left and right of the peak exp(-E(s) + weight |s|) counts.

    Bounds from cosh s - 1 = 2 sinh(s/2)^2 >= s^2/2, exp(s) - 1 - s >= cosh s - 1 on the right and
    >= s^2 / (2 + |s|) on the left.
    """
    right = _until(_DEPTH, np.sqrt(wide))
    right = _until(_DEPTH + weight * right, np.sqrt(wide))
    # a gamma distribution's left end needs no more than itself: its moments are known
    pull = np.where(root > 0.0, weight, 0.0)
    with np.errstate(divide="ignore"):
        left = _until(_DEPTH, root)
        left = _until(_DEPTH + weight * np.where(pull > 0.0, left + 5.0, 0.0), root)
    spare = order - pull
    b = 2.0 * pull + _DEPTH
    with np.errstate(divide="ignore", invalid="ignore"):
        far = (b + np.sqrt(b * b + 8.0 * _DEPTH * spare)) / (2.0 * spare)
    left = np.minimum(left, np.where(spare > 0.0, far, np.inf))
    for _ in range(2):
        curve = 0.5 * root * root + order / (2.0 + left)
        with np.errstate(divide="ignore", over="ignore"):
            near = (pull + np.sqrt(pull * pull + 4.0 * curve * _DEPTH)) / (2.0 * curve)
        left = np.fmin(left, near)
    return left, right


def _until(depth: Floats | float, root: Floats) -> Floats:
    """The s with root^2 (cosh s - 1) = depth; infinite where root is 0."""
    found: Floats = 2.0 * np.arcsinh(np.sqrt(0.5 * depth) / root)
    return found


def _trapezoid(
    order: Floats, root: Floats, left: Floats, right: Floats, n: int, *, spreads: bool
) -> Floats:
    """The six of `Sums` (6, rows) from n terms."""
    step = (left + right) / (n - 1)
    s = np.arange(n)[:, None] * step - left
    x = np.expm1(0.5 * np.abs(s))
    with np.errstate(over="ignore"):
        grown = np.minimum((1.0 + x) ** 2, _HUGE)  # exp |s|
        sinh = root * (0.5 * (x + x / (1.0 + x)))  # root sinh |s / 2|
        more = np.minimum(x * (2.0 + x), _HUGE)  # exp |s| - 1
        shrunk = 1.0 / grown
        high = s >= 0.0
        log_term = order * (s - np.where(high, more, -more * shrunk)) - 2.0 * sinh * sinh
        term = np.exp(log_term)
    total = term.sum(axis=0)
    term *= 1.0 / total
    out = np.zeros((6, len(order)))
    out[0] = np.log(total * step)
    out[1] = np.einsum("ns,ns->s", term, s)
    up, down = np.where(high, grown, shrunk), np.where(high, shrunk, grown)
    out[2] = np.log(np.einsum("ns,ns->s", term, up))
    out[3] = np.log(np.einsum("ns,ns->s", term, down))
    if spreads:
        share = np.sqrt(term)
        for k, value in ((4, up), (5, down)):
            away = share * (value - np.exp(out[k - 2]))
            with np.errstate(over="ignore", divide="ignore"):
                out[k] = np.log(np.einsum("ns,ns->s", away, away))
    far = left > _FAR
    if far.any():
        tilted = log_term - s
        top = tilted.max(axis=0)
        exact = top + np.log(np.exp(tilted - top).sum(axis=0) / total)
        out[3] = np.where(far, exact, out[3])
        out[5] = np.where(far, np.inf, out[5])
    return out
