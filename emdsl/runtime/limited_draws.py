"""Draws from distributions with limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Size = tuple[int, ...]
LogCdfs = Callable[..., tuple[Any, Any]]

_ROUNDS = 1000  # of drawing again what fell outside
_WHOLE = 2.0**53  # past that floating numbers skip whole ones


def censored(x: Any, lower: Any, upper: Any) -> Floats:
    """Draws as they are recorded, what is beyond a limit at it. None and NaN limit nothing."""
    for limit, clip in ((lower, np.maximum), (upper, np.minimum)):
        if limit is not None:
            known = ~np.isnan(limit)
            x = np.where(known, clip(x, np.where(known, limit, 0.0)), x)
    return np.asarray(x)


def interval(name: str) -> Any:
    """Say that intervals can't be sampled."""
    raise ValueError(
        f"can't sample from Interval({name}): it says what is known of a value that was drawn, "
        f"not how its ends come about; sample from {name} and cut its draws as they were found"
    )


def redrawn(
    rng: Generator, draw: Callable[..., Any], lower: Any, upper: Any, size: Size, *arguments: Any
) -> Floats:
    """Draws between limits, by drawing again what fell outside.

    Raises ValueError where hardly any draw falls between them.
    """
    given = [np.broadcast_to(np.asarray(a), size).reshape(-1) for a in arguments]
    low, high = _flat(lower, -np.inf, size), _flat(upper, np.inf, size)
    out = np.empty(low.shape)
    left = np.arange(out.size)
    for _ in range(_ROUNDS):
        if not left.size:
            return out.reshape(size)
        x = np.asarray(draw(rng, *(a[left] for a in given), size=left.shape), dtype=np.float64)
        fits = (x >= low[left]) & (x <= high[left])
        out[left[fits]] = x[fits]
        left = left[~fits]
    raise ValueError("can't sample: the limits leave next to nothing of a distribution")


def truncated(
    rng: Generator,
    log_cdfs: LogCdfs,
    lower: Any,
    upper: Any,
    support: tuple[float, bool],
    size: Size,
    *arguments: Any,
) -> Floats:
    """Draws between limits, by inverting the distribution function in its smaller tail.

    log_cdfs(x, *arguments) : the logs of P(X <= x) and of P(X > x).
    support : what all values are above or at, and whether they are whole numbers.

    Bisection is over the floating numbers in order, so that any scale takes the same 64 steps.
    """
    given = [np.broadcast_to(np.asarray(a, dtype=np.float64), size).reshape(-1) for a in arguments]
    least, whole = support
    low = np.maximum(_flat(lower, -np.inf, size), least)
    high = _flat(upper, np.inf, size)
    if whole:  # the value before the first, and the last
        low, high = np.ceil(low) - 1.0, np.floor(high)
    if (low >= high).any():
        raise ValueError("can't sample between limits with nothing between them")

    def logs(x: Floats) -> tuple[Floats, Floats]:
        """Of P(X <= x) and P(X > x), at the ends too."""
        first, last = x < least if whole else x <= least, x == np.inf
        inside = np.where(first | last, least + 1.0 if np.isfinite(least) else 0.0, x)
        with np.errstate(all="ignore"):
            f, s = (np.broadcast_to(np.asarray(v), x.shape) for v in log_cdfs(inside, *given))
        f, s = (
            np.where(first, -np.inf, np.where(last, 0.0, f)),
            np.where(first, 0.0, np.where(last, -np.inf, s)),
        )
        return f, s

    (f_low, s_low), (f_high, s_high) = logs(low), logs(high)
    below = f_high <= s_low
    u = rng.random(low.shape)
    with np.errstate(divide="ignore"):
        one, two = np.log1p(-u), np.log(u)
    target = np.where(
        below, np.logaddexp(f_low + one, f_high + two), np.logaddexp(s_low + one, s_high + two)
    )

    def reached(x: Floats) -> NDArray[np.bool_]:
        f, s = logs(x)
        return np.asarray(np.where(below, f >= target, s <= target))

    if whole:
        return _whole_numbers(reached, low, np.minimum(high, _WHOLE)).reshape(size)
    return _bisected(reached, low, high).reshape(size)


def _flat(limit: Any, none: float, size: Size) -> Floats:
    if limit is None:
        return np.full(int(np.prod(size)), none)
    found = np.broadcast_to(np.asarray(limit, dtype=np.float64), size).reshape(-1)
    return np.where(np.isnan(found), none, found)


def _whole_numbers(reached: Callable[[Floats], Any], low: Floats, high: Floats) -> Floats:
    """The first whole number above `low` at which it is reached, `high` at the most."""
    for _ in range(60):
        middle = np.floor((low + high) / 2.0)
        hit = reached(middle) & (middle > low)
        low, high = np.where(hit, low, np.maximum(middle, low)), np.where(hit, middle, high)
        if (high - low <= 1.0).all():
            break
    return high


def _bisected(reached: Callable[[Floats], Any], low: Floats, high: Floats) -> Floats:
    """The first floating number at which it is reached."""
    left, right = _order(low), _order(high)
    for _ in range(64):
        middle = (left >> 1) + (right >> 1) + (left & right & 1)
        hit = reached(_number(middle))
        left, right = np.where(hit, left, middle), np.where(hit, middle, right)
    return np.clip(_number(right), low, high)


def _order(x: Floats) -> NDArray[np.int64]:
    """Whole numbers in the same order as the floating ones."""
    bits = np.ascontiguousarray(x, dtype=np.float64).view(np.int64)
    return np.where(bits < 0, np.int64(np.iinfo(np.int64).min) - bits, bits)


def _number(order: NDArray[np.int64]) -> Floats:
    bits = np.where(order < 0, np.int64(np.iinfo(np.int64).min) - order, order)
    return np.ascontiguousarray(bits).view(np.float64)
