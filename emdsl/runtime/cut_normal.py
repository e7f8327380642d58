"""The posterior of a latent that would be normal, in what data leave of the line.

    log sum over stretches (l, h) of  integral from l to h of exp(b u + c u^2) du

One stretch is a normal cut off on one side or on both (Albert and Chib, J. Am. Stat. Assoc. 88
(1993); `truncated_normal`); several are what is left outside of a window.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.cumulative import inverse_mills, log_ndtr
from emdsl.runtime.how import EXPECT, Best, Draw, How
from emdsl.runtime.posterior_errors import no_mode
from emdsl.runtime.truncated_normal import truncated_normal, truncated_normal_described

Floats = NDArray[np.float64]
Two = tuple[Floats, Floats]

_FAR = 10.0  # standard deviations, past which 1 less the hazard's slope loses digits
_NEAR, _WIDE = 3.0, 0.25  # of two ends: so near, and so far apart, nothing cancels
_ROOT_2_PI = math.sqrt(2.0 * math.pi)


def stretches(*parts: Any) -> Floats:
    """Where a latent is possible, from (condition, lower end, upper end) of each stretch in turn.

    Each is (states..., entries..., B or 1); what touches is joined.

    Returns (S, 2, states..., entries..., B or 1): the lower and upper ends of S stretches apart
    from each other; those that a row doesn't have are from infinity to minus infinity.
    """
    whole = np.broadcast_arrays(*(np.asarray(p, dtype=np.float64) for p in parts))
    there = np.stack(whole[0::3]) != 0.0
    lower, upper = np.stack(whole[1::3]), np.stack(whole[2::3])
    there &= lower < upper
    lower, upper = np.where(there, lower, np.inf), np.where(there, upper, -np.inf)
    order = np.argsort(lower, axis=0, kind="stable")
    lower, upper = (np.take_along_axis(x, order, axis=0) for x in (lower, upper))
    out = np.empty((len(lower), 2, *lower.shape[1:]))
    out[:, 0], out[:, 1] = np.inf, -np.inf
    at = np.zeros(lower.shape[1:], dtype=np.intp)  # the stretch that is being put together
    for low, high in zip(lower, upper, strict=True):
        reach = np.take_along_axis(out[:, 1], at[None], axis=0)[0]
        apart = (low < high) & (low > reach) & (reach > -np.inf)
        at += apart
        start = np.take_along_axis(out[:, 0], at[None], axis=0)[0]
        end = np.take_along_axis(out[:, 1], at[None], axis=0)[0]
        np.put_along_axis(out[:, 0], at[None], np.minimum(start, low)[None], axis=0)
        np.put_along_axis(out[:, 1], at[None], np.maximum(end, high)[None], axis=0)
    return np.ascontiguousarray(out[: int(at.max(initial=0)) + 1])


def cut_normal(natural: Two, how: How = EXPECT, *, between: Floats) -> tuple[Floats, Two]:
    """The log integral and (E[u], E[u^2]) of u in its stretches.

    natural : coefficients of u and of u^2, (S..., B or 1) each; between : what `stretches` gave.

    Where there is no stretch at all the log integral is minus infinity. Raises ImproperError where
    towards an infinite end the log joint doesn't fall.
    """
    if isinstance(how, Best):
        no_mode("truncated normal")
    found = [_one(natural, lower, upper, how) for lower, upper in between]
    if len(found) == 1:
        return found[0]
    logs = np.stack([log for log, _ in found])
    top = logs.max(axis=0)
    weights = np.exp(logs - np.where(np.isneginf(top), 0.0, top))
    total = weights.sum(axis=0)
    with np.errstate(divide="ignore"):
        message = np.where(np.isneginf(top), top, top + np.log(total))
    weights /= np.where(total > 0.0, total, 1.0)
    if isinstance(how, Draw):
        below = how.rng.random(total.shape) >= np.cumsum(weights, axis=0)[:-1]
        at = below.sum(axis=0)[None]
        u = np.take_along_axis(np.stack([m[0] for _, m in found]), at, axis=0)[0]
        return message, (u, u * u)
    first, second = (sum(w * m[i] for w, (_, m) in zip(weights, found, strict=True))
                     for i in (0, 1))  # fmt: skip
    return message, (first, second)


def cut_normal_summary(natural: Two, *, between: Floats) -> Two:
    """The mean and the variance of u."""
    parts = [_described(natural, lower, upper) for lower, upper in between]
    if len(parts) == 1:
        return parts[0][1], parts[0][2]
    logs = np.stack([log for log, _, _ in parts])
    weights = np.exp(logs - logs.max(axis=0))
    weights /= weights.sum(axis=0)
    mean = sum(w * m for w, (_, m, _) in zip(weights, parts, strict=True))
    spread = sum(w * (v + (m - mean) ** 2) for w, (_, m, v) in zip(weights, parts, strict=True))
    return np.asarray(mean), np.asarray(spread)


def _one(natural: Two, lower: Floats, upper: Floats, how: How) -> tuple[Floats, Two]:
    """Of one stretch; of none minus infinity, with any moments."""
    if not isinstance(how, Draw):
        message, mean, variance = _described(natural, lower, upper)
        return message, (mean, mean * mean + variance)
    none = ~(lower < upper)
    message, means = truncated_normal(
        natural, np.where(none, 0.0, lower), np.where(none, 1.0, upper), how
    )
    return np.where(none, -np.inf, message), means


def _described(natural: Two, lower: Floats, upper: Floats) -> tuple[Floats, Floats, Floats]:
    """The log integral, mean and variance of one stretch.

    Not far in the normal's tail, and where two ends aren't close to each other, by its distribution
    function (Johnson, Kotz and Balakrishnan 1994, section 13.10.1); else by quadrature, where that
    would cancel.
    """
    linear, square = natural
    below, above = np.isneginf(lower), np.isposinf(upper)
    one_end = below != above
    sign = np.where(above, 1.0, -1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = -2.0 * square
        sd = 1.0 / np.sqrt(precision)
        end = np.where(above, lower, upper)
        inside = sign * (linear / precision - end) / sd  # how far the normal's mean is
        near = one_end & (precision > 0.0) & (inside > -_FAR) & np.isfinite(inside)
    whole = bool(near.all())
    at = inside if whole else np.where(near, inside, 0.0)
    hazard = inverse_mills(at)
    message = 0.5 * linear * linear / precision + np.log(_ROOT_2_PI * sd) + log_ndtr(at)
    mean = end + sign * sd * (at + hazard)
    variance = sd * sd * (1.0 - hazard * (at + hazard))
    if whole:
        return message, mean, variance
    message, mean, variance = (np.array(np.broadcast_to(x, near.shape))
                               for x in (message, mean, variance))  # fmt: skip
    b, c, low, high = (np.broadcast_to(x, near.shape) for x in (linear, square, lower, upper))
    none = ~(low < high)
    message[none], mean[none], variance[none] = -np.inf, 0.0, 1.0
    rest = ~near & ~none
    if rest.any():
        with np.errstate(divide="ignore", invalid="ignore"):
            middle, scale = np.broadcast_arrays(linear / precision, sd, near)[:2]
            first = np.where(rest & (c < 0.0), (low - middle) / scale, np.nan)
            last = np.where(rest & (c < 0.0), (high - middle) / scale, np.nan)
        apart = np.maximum(np.maximum(first, -last), 0.0)
        wide = (apart <= _NEAR) & (last - first >= _WIDE)
        if wide.any():
            found = _between(first[wide], last[wide])
            m, s = middle[wide], scale[wide]
            whole_of = 0.5 * (m / s) ** 2 + np.log(_ROOT_2_PI * s)
            message[wide] = whole_of + found[0]
            mean[wide], variance[wide] = m + s * found[1], s * s * found[2]
            rest &= ~wide
    if rest.any():
        some = b[rest], c[rest]
        found = truncated_normal_described(some, low[rest], high[rest])
        message[rest], mean[rest], variance[rest] = found
    return message, mean, variance


def _between(first: Floats, last: Floats) -> tuple[Floats, Floats, Floats]:
    """log P, mean and variance of a standard normal from `first` to `last`, all (n,)."""
    from scipy import special

    turned = first > 0.0  # to the lower tail, where probabilities are small and exact
    low, high = np.where(turned, -last, first), np.where(turned, -first, last)
    mass = special.ndtr(high) - special.ndtr(low)
    at_low, at_high = (np.exp(-0.5 * e * e) / _ROOT_2_PI for e in (low, high))
    slope = (at_low - at_high) / mass
    first, last = (np.where(np.isfinite(e), e, 0.0) for e in (low, high))  # inf exp(-inf) is 0
    variance = 1.0 + (first * at_low - last * at_high) / mass - slope * slope
    return np.log(mass), np.where(turned, -slope, slope), variance
