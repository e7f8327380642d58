"""The posterior of a latent between bounds whose log joint is in u and u^2.

    integral from lower to upper of exp(b u + c u^2)

A truncated normal where c < 0, a truncated exponential (or uniform) where c = 0, and a density that
is highest at its bounds where c > 0. Differences of normal integrals, and the moments made of them
(Johnson, Kotz and Balakrishnan 1994, section 13.10.1), cancel far in the tails and in narrow
intervals. Here nothing is subtracted: the interval is split where b u + c u^2 turns; on either side
it falls from its highest end, and what counts of it is summed by Gauss-Legendre quadrature.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.how import EXPECT, Best, Draw, How
from emdsl.runtime.posterior_errors import no_mode, require

Floats = NDArray[np.float64]
Two = tuple[Floats, Floats]

_FAMILY = "truncated normal"
_DEPTH = 45.0  # what has fallen to exp(-45) of the highest doesn't count
_NODES = 32  # enough for exp(-45 x), exp(-45 x^2) and exp(-45 (2 x - x^2)) on [0, 1]
_BLOCK = 1024  # rows whose nodes are summed together


def truncated_normal(natural: Two, lower: Any, upper: Any, how: How = EXPECT) -> tuple[Floats, Two]:
    """The log integral and (E[u], E[u^2]), lower <= u <= upper.

    natural : coefficients of u and of u^2, (S..., B or 1) each; lower, upper : broadcast against
        them, and may be infinite.

    Returns arrays of the common shape. Raises ImproperError where lower isn't below upper, or
    towards an infinite bound the log joint doesn't fall.
    """
    if isinstance(how, Best):
        no_mode(_FAMILY)
    message, mean, variance, sides = _integrated(natural, lower, upper)
    if isinstance(how, Draw):
        u = np.clip(_draw(how.rng, sides).reshape(message.shape), lower, upper)
        return message, (u, u * u)
    return message, (mean, mean * mean + variance)


def truncated_normal_described(
    natural: Two, lower: Any, upper: Any
) -> tuple[Floats, Floats, Floats]:
    """The log integral, the mean and the variance of u; arguments and errors as above."""
    return _integrated(natural, lower, upper)[:3]


def truncated_normal_summary(natural: Two, lower: Any, upper: Any) -> Two:
    """The mean and the variance of u."""
    _, mean, variance, _ = _integrated(natural, lower, upper)
    return mean, variance


@dataclass(frozen=True, slots=True)
class _Side:
    """From `start` in direction `sign` the log joint falls by slope v + curve v^2 / 2, v <= length.

    All are flat (n,); `height` is the log joint at the start, and `log_mass` log of the integral.
    """

    start: Floats
    sign: float
    length: Floats
    slope: Floats
    curve: Floats
    height: Floats
    log_mass: Floats
    first: Floats  # E[v]
    spread: Floats  # the variance of v


def _integrated(
    natural: Two, lower: Any, upper: Any
) -> tuple[Floats, Floats, Floats, tuple[_Side, _Side]]:
    """The log integral, mean and variance in the common shape, and both sides."""
    given = [np.asarray(x, dtype=np.float64) for x in (*natural, lower, upper)]
    _require_proper(*given)
    whole = np.broadcast_arrays(*given)
    shape = whole[0].shape
    down, up = _sides(*(x.ravel() for x in whole))
    top = np.maximum(down.log_mass, up.log_mass)
    parts = np.exp(down.log_mass - top), np.exp(up.log_mass - top)
    total = parts[0] + parts[1]
    left, right = parts[0] / total, parts[1] / total
    # from where most of it starts, so that narrow intervals far from 0 keep their variances
    origin = np.where(right >= left, up.start, down.start)
    away = (
        down.start - origin + down.sign * down.first,
        up.start - origin + up.sign * up.first,
    )
    shift = left * away[0] + right * away[1]
    variance = left * (down.spread + (away[0] - shift) ** 2)
    variance += right * (up.spread + (away[1] - shift) ** 2)
    message = top + np.log(total)
    mean = np.clip(origin + shift, whole[2].ravel(), whole[3].ravel())
    return message.reshape(shape), mean.reshape(shape), variance.reshape(shape), (down, up)


def _require_proper(b: Floats, c: Floats, lower: Floats, upper: Floats) -> None:
    finite = np.isfinite(b) & np.isfinite(c)
    require(finite, _FAMILY, "the coefficients of u and u^2 must be finite", b + c)
    require(lower < upper, _FAMILY, "its lower bound must be below its upper bound", lower)
    for end, sign, name, falls in (
        (upper, 1.0, "upper", "negative"),
        (lower, -1.0, "lower", "positive"),
    ):
        closed = end != sign * np.inf
        why = f"with no {name} bound the coefficient of u^2 must not be positive"
        require(closed | (c <= 0.0), _FAMILY, why, c)
        why = f"with no {name} bound and no u^2 the coefficient of u must be {falls}"
        require(closed | (c < 0.0) | (sign * b < 0.0), _FAMILY, why, b)


def _sides(b: Floats, c: Floats, lower: Floats, upper: Floats) -> tuple[_Side, _Side]:
    """The two sides; where c > 0 they start at the bounds and meet in the middle."""
    curve = -2.0 * c
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        turn = np.where(c == 0.0, np.copysign(np.inf, b), b / curve)
    # a flat log joint: any point will do, and one bound may be infinite only where it isn't flat
    flat = (c == 0.0) & (b == 0.0)
    middle = np.clip(np.where(flat, lower, turn), lower, upper)
    inside = (lower < turn) & (turn < upper)
    convex = c > 0.0
    low, high = np.where(convex, lower, middle), np.where(convex, upper, middle)
    up_length, down_length = upper - middle, middle - lower
    lift = np.where(inside & ~convex, 0.5 * b * middle, middle * (b + c * middle))
    with np.errstate(invalid="ignore"):
        from_low = np.where(convex, low * (b + c * low), lift)
        from_high = np.where(convex, high * (b + c * high), lift)
        slopes = b - curve * low, b - curve * high
    still = (inside & ~convex) | flat
    # towards higher u from `low`, towards lower u from `high`
    rise = np.where(still, 0.0, np.maximum(-slopes[0], 0.0))
    fall = np.where(still, 0.0, np.maximum(slopes[1], 0.0))
    length = np.where(convex, down_length, up_length)
    other = np.where(convex, up_length, down_length)
    return (
        _side(high, -1.0, other, fall, curve, from_high),
        _side(low, 1.0, length, rise, curve, from_low),
    )


def _side(
    start: Floats, sign: float, length: Floats, slope: Floats, curve: Floats, height: Floats
) -> _Side:
    reach = np.sqrt(2.0 * _DEPTH) * np.sqrt(np.abs(curve))
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.where(
            curve >= 0.0,
            np.hypot(slope, reach),
            np.sqrt(np.maximum((slope - reach) * (slope + reach), 0.0)),
        )
        # the root of slope v + curve v^2 / 2 = depth, where there is one
        enough = 2.0 * _DEPTH / (slope + root)
    short = (curve < 0.0) & (slope <= reach)
    extent = np.where(short, length, np.minimum(length, enough))
    out = np.zeros((3, len(start)))
    for begin in range(0, len(start), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        if extent[block].any():
            out[:, block] = _summed(extent[block], slope[block], curve[block])
    with np.errstate(divide="ignore"):
        log_mass = height + np.log(out[0])
    return _Side(start, sign, length, slope, curve, height, log_mass, out[1], out[2])


def _summed(extent: Floats, slope: Floats, curve: Floats) -> Floats:
    """The integral of exp(-slope v - curve v^2 / 2) up to `extent`, E[v] and var v (3, n)."""
    x, weight = _gauss_legendre()
    # drops by 45 at most over the extent: neither product overflows
    term = np.exp(-x[:, None] * (slope * extent + x[:, None] * (0.5 * curve * extent * extent)))
    term *= weight[:, None]
    total = term.sum(axis=0)
    first = (x @ term) / total
    spread = (x * x) @ term / total - first * first
    return np.stack([total * extent, first * extent, spread * extent * extent])


@cache
def _gauss_legendre() -> tuple[Floats, Floats]:
    """Nodes and weights on [0, 1]."""
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    return 0.5 * (node + 1.0), 0.5 * weight


def _draw(rng: np.random.Generator, sides: tuple[_Side, _Side]) -> Floats:
    """u (n,): a side by its mass, then by rejection from an exponential on it.

    Its density there is below the exponential through its tangent at v = (rate - slope) / curve,
    which is best where that's about the mean (Robert 1995), or where it is convex below its chord.
    """
    down, up = sides
    odds = np.exp(np.minimum(up.log_mass - down.log_mass, 700.0))
    first = rng.random(len(odds)) * (1.0 + odds) < 1.0

    def chosen(one: Floats, other: Floats) -> Floats:
        return np.where(first, one, other)

    slope, length = chosen(down.slope, up.slope), chosen(down.length, up.length)
    curve = down.curve
    convex = curve < 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        touch = np.minimum(2.0 / (slope + np.hypot(slope, 2.0 * np.sqrt(np.abs(curve)))), length)
        touch = np.where(convex, 0.5 * length, touch)
        rate = slope + np.where(curve == 0.0, 0.0, curve * touch)
    v = np.zeros(len(odds))
    i = np.arange(len(odds))
    while len(i):
        drawn = _exponential(rng, rate[i], length[i])
        away = np.where(convex[i], -drawn * (length[i] - drawn), (drawn - touch[i]) ** 2)
        loss = np.where(curve[i] == 0.0, 0.0, 0.5 * curve[i] * away)
        taken = rng.standard_exponential(len(i)) >= loss
        v[i[taken]] = drawn[taken]
        i = i[~taken]
    return chosen(down.start - v, up.start + v)


def _exponential(rng: np.random.Generator, rate: Floats, length: Floats) -> Floats:
    """Draws of density proportional to exp(-rate v), 0 <= v <= length; rate >= 0."""
    u = rng.random(len(rate))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        v = -np.log1p(u * np.expm1(-rate * length)) / rate
    even = rate * np.where(np.isfinite(length), length, 1.0) < 1e-300
    return np.where(even & np.isfinite(length), u * length, np.minimum(v, length))
