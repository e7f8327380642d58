"""The integral or sum of a function given by its sign and its log, with an estimate of the error.

Knows no density. The variable x is a function of u in which every density that can be integrated
dies off exponentially at both ends, so that one rule serves all scales, long tails and poles at an
end:

    x = sinh u  (a line);   x = exp u  (a half line);   x = 1 / (1 + exp(-u))  (the unit interval)

The u axis is cut into panels of nine Gauss-Lobatto points; a panel that doesn't agree with its
two halves is halved again, which finds jumps and kinks to any accuracy (Gander and Gautschi 2000).
Sums are taken one by one up to 2^14, and beyond that as integrals over the rounded variable.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
SignedLog = tuple[Floats, Floats]  # a number as its sign and the log of its size
Function = Callable[[Floats], SignedLog]
Domain = Literal["line", "half", "unit"]

FAR = 700.0  # exp(u) is a number up to here
_NEAREST = 53.0 * math.log(2.0)  # 1 - exp(-u) is less than 1 up to here
SINGLY = 1 << 14  # terms of a sum on each side of 0 that are added one by one
_WIDTH = 0.1  # of a first panel where most of any density is
_MOST = 20_000  # panels in one halving: more is hopeless
_HOPELESS = 1e12  # a partial integral that is no density's
_PEAKS = 3  # the highest places that panels are put about
_CLOSER, _ROUNDS = (
    33,
    12,
)  # points between a place's neighbours, and how often again: to the last digit
# Gauss and Lobatto's nine points: with both ends, so that a jump near one of them is seen
_P8 = np.polynomial.legendre.Legendre.basis(8)
_NODE = np.concatenate([[-1.0], np.sort(_P8.deriv().roots().real), [1.0]])
_WEIGHT = 2.0 / (9.0 * 8.0 * _P8(_NODE) ** 2)


@dataclass(frozen=True, slots=True)
class Integral:
    """What was found. `error` is absolute; infinite where halving panels settles nothing.

    `negative` is a place where the function is negative, None where there is none; `undefined` one
    where it isn't a number.
    """

    value: float
    error: float
    diverges: bool = False
    negative: float | None = None
    undefined: float | None = None


@dataclass(slots=True)
class _Seen:
    """The first odd place that was met, near enough for it to matter."""

    negative: float | None = None
    undefined: float | None = None

    def look(self, x: Floats, sign: Floats, log: Floats) -> None:
        odd = (np.isnan(sign) | np.isnan(log)) & (np.abs(x) < 1e6)
        if self.undefined is None and np.any(odd):
            self.undefined = float(x[odd][np.argmin(np.abs(x[odd]))])
        below = (sign < 0) & (log > -30.0)
        if self.negative is None and np.any(below):
            self.negative = float(x[below][np.argmin(np.abs(np.log(np.abs(x[below]))))])


def integral(function: Function, domain: Domain) -> Integral:
    """The integral of sign * exp(log) over the whole line, the half line or the unit interval."""
    seen = _Seen()

    def in_u(u: Floats) -> Floats:
        x, log_slope = _place(u, domain)
        return _value(function, x, log_slope, seen)

    def height(u: Floats) -> Floats:
        x, log_slope = _place(u, domain)
        sign, log = function(x)
        return np.asarray(np.broadcast_to(np.where(sign > 0, log, -np.inf), x.shape) + log_slope)

    plain = _panels(-FAR, FAR if domain != "unit" else _NEAREST)
    in_u(_points(plain[:-1], plain[1:]).ravel())  # odd places are told by these
    edges = _about_peaks(height, plain)
    if domain != "unit":
        return _integrated(in_u, edges, (-FAR, FAR), seen)
    # Floating numbers end 2^-53 below 1: what a pole there has beyond isn't seen.
    found = _integrated(in_u, edges, (-FAR,), seen)
    missed = 10.0 * abs(float(in_u(np.array([_NEAREST]))[0]))
    return replace(found, error=found.error + missed)


def total(function: Function, first: int | None, last: int | None) -> Integral:
    """The sum over the whole numbers from `first` to `last`; None: without end."""
    seen = _Seen()
    low = -SINGLY if first is None else first
    high = SINGLY if last is None else min(last, first + 2 * SINGLY if first is not None else last)
    x = np.arange(low, high + 1.0)
    value = float(np.sum(_value(function, x, np.zeros_like(x), seen)))
    found = Integral(value, 0.0, not np.isfinite(value), seen.negative, seen.undefined)
    for side in [s for s, end in ((-1.0, first), (1.0, last)) if end is None]:
        start = np.log((high if side > 0 else -low) + 0.5)

        def in_u(u: Floats, side: float = side) -> Floats:
            size = np.exp(u)
            return _value(function, side * np.rint(size), u, seen)

        # where neighbours are one and the same floating number, rounding leaves x as it is
        found = _sum(found, _integrated(in_u, _panels(start, FAR), (FAR,), seen))
    return found


def _sum(a: Integral, b: Integral) -> Integral:
    return Integral(
        a.value + b.value, a.error + b.error, a.diverges or b.diverges, b.negative, b.undefined
    )


def _place(u: Floats, domain: Domain) -> tuple[Floats, Floats]:
    """x(u) and log dx/du."""
    size = np.abs(u)
    if domain == "line":
        return np.sinh(u), size + np.log1p(np.exp(-2.0 * size)) - np.log(2.0)
    if domain == "half":
        return np.exp(u), u
    near = np.exp(-size) / (1.0 + np.exp(-size))
    return np.where(u < 0, near, 1.0 - near), -size - 2.0 * np.log1p(np.exp(-size))


def _value(function: Function, x: Floats, log_slope: Floats, seen: _Seen) -> Floats:
    with np.errstate(all="ignore"):
        sign, log = function(x)
        sign, log = np.broadcast_to(sign, x.shape), np.broadcast_to(log, x.shape)
        seen.look(x, sign, log)
        value = sign * np.exp(log + log_slope)
    # far out, overflow makes not-a-numbers of harmless functions; near they are reported
    return np.where(np.isnan(value), 0.0, value)


def _panels(low: float, high: float) -> Floats:
    """Edges: close together in the middle, wider by the distance from it."""
    core = np.arange(0.0, 12.0, _WIDTH)
    out = np.geomspace(12.0, FAR, 160)
    edges = np.concatenate([-out[::-1], -core[:0:-1], core, out])
    inside = edges[(edges > low) & (edges < high)]
    return np.concatenate([[low], inside, [high]])


def _points(left: Floats, right: Floats) -> Floats:
    """The points of panels, (panels, 9)."""
    return left[:, None] + (right - left)[:, None] / 2.0 * (1.0 + _NODE)


def _about_peaks(height: Callable[[Floats], Floats], edges: Floats) -> Floats:
    """The edges, and more about the highest places of a log height.

    What is narrower than a panel may be nothing at all its points, as a spread of 1 about 1e6. Its
    log still shows the way there.
    """
    with np.errstate(all="ignore"):
        log = np.nan_to_num(height(edges), nan=-np.inf, posinf=-np.inf)
        inner = log[1:-1]
        top = np.flatnonzero((inner >= log[:-2]) & (inner >= log[2:]) & (inner > -np.inf)) + 1
        top = top[np.argsort(log[top])][-_PEAKS:]
        if not len(top):
            return edges
        low, high = edges[top - 1], edges[top + 1]
        width = high - low
        part = np.linspace(0.0, 1.0, _CLOSER)
        every = np.arange(len(top))
        for _ in range(_ROUNDS):
            u = low[:, None] + (high - low)[:, None] * part
            log = np.nan_to_num(height(u.ravel()), nan=-np.inf).reshape(u.shape)
            best = log.argmax(axis=1)
            low = u[every, np.maximum(best - 1, 0)]
            high = u[every, np.minimum(best + 1, _CLOSER - 1)]
    away = width[:, None] * 0.25 ** np.arange(1, 25)
    peak = (low + high)[:, None] / 2.0
    more = np.concatenate([edges, (peak - away).ravel(), (peak + away).ravel()])
    return np.unique(np.clip(more, edges[0], edges[-1]))


def _integrated(
    in_u: Callable[[Floats], Floats], edges: Floats, ends: tuple[float, ...], seen: _Seen
) -> Integral:
    """`ends` are the edges beyond which there is more, which must come to nothing."""

    def whole(left: Floats, right: Floats) -> Floats:
        half = (right - left)[:, None] / 2.0
        points = _points(left, right)
        return np.asarray((half * in_u(points.ravel()).reshape(points.shape)) @ _WEIGHT)

    with np.errstate(all="ignore"):
        left, right = edges[:-1], edges[1:]
        mass = whole(left, right)
        value, error = (0.0, 0.0) if abs(float(np.sum(mass))) < _HOPELESS else (np.inf, np.inf)
        for _ in range(50):
            middle = (left + right) / 2.0
            first, second = whole(left, middle), whole(middle, right)
            off = np.abs(first + second - mass)
            rough = ~(off <= 1e-11) & (middle > left) & (middle < right)
            value += float(np.sum((first + second)[~rough]))
            error += float(np.sum(off[~rough]))
            if not np.any(rough) or not abs(value) < _HOPELESS:
                break
            left, right = (
                np.concatenate([left[rough], middle[rough]]),
                np.concatenate([middle[rough], right[rough]]),
            )
            mass = np.concatenate([first[rough], second[rough]])
            if left.size > _MOST:
                value, error = value + float(np.sum(mass)), np.inf
                break
        else:
            value, error = value + float(np.sum(mass)), error + float(np.sum(np.abs(mass)))
        # what is left at an end is at most of the order of the mass in the last stretch of u
        left_over, before = np.abs(in_u(np.array(ends))), np.abs(in_u(np.array(ends) / 2.0))
    heavy = left_over > 1e-9 * max(abs(value), 1.0)
    diverges = not abs(value) < _HOPELESS or bool(np.any(heavy & (left_over > 0.9 * before)))
    if np.any(heavy):
        error = np.inf
    return Integral(value, error, diverges, seen.negative, seen.undefined)
