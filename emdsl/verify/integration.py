"""Integrals over one to three coordinates of the whole real line, by the trapezoidal rule.

    t_i = m_i + 3 s_i sinh(x_i / 3)
    ∫ exp f dt ≈ h^D sum over a grid of x of exp f(t) prod dt_i/dx_i

m and s are about the mode and the width there. Near the mode t is about linear in x, and far away
tails fall off at least exponentially where the density's do as any power; then the rule's error
shrinks exponentially in 1/h (Trefethen and Weideman, The exponentially convergent trapezoidal rule,
SIAM Review 56, 2014). Every part of f is evaluated on a grid of its own coordinates only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from emdsl.verify.elimination import log_sum
from emdsl.verify.gaussian import Part

Floats = NDArray[np.float64]

MOST = 3  # coordinates
TOLERANCES = (1e-11, 1e-10, 1e-10)  # of an integral over so many coordinates, relative
_EDGE = 40.0  # how far below the top the log density is where the grid ends
_BEND = 3.0  # widths over which t is about linear in x
_FARTHEST = 27.0  # of x: 12,000 widths
_LENGTHS = (0.4, 0.28, 0.2, 0.14, 0.1, 0.07, 0.05, 0.035, 0.025)
_POINTS = 1 << 21  # of one grid, at most


class NotIntegrated(ArithmeticError):
    """The error of an integral is too large, or unknown."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The integral's log, its relative error, and its points.

    axes : for each coordinate the places t (n_i,)
    odds : the probability that each point of the grid stands for, (n_1, ..., n_D)
    """

    log_evidence: float
    error: float
    axes: tuple[Floats, ...]
    odds: Floats

    def points(self, at: Sequence[int]) -> Iterator[tuple[Floats, float]]:
        """Values of some coordinates (increasing), and their probabilities."""
        others = tuple(i for i in range(len(self.axes)) if i not in at)
        odds = self.odds.sum(others)
        for place in zip(*np.nonzero(odds > 1e-17), strict=True):
            t = np.array([self.axes[i][k] for i, k in zip(at, place, strict=True)])
            yield t, float(odds[place])


def integral(parts: Sequence[Part], dimension: int) -> Grid:
    """The integral over all coordinates of exp of the parts' sum.

    Raises NotIntegrated where the relative error can't be brought below the tolerance, and
    NotImplementedError for more than three coordinates.
    """
    if not 1 <= dimension <= MOST:
        raise NotImplementedError(f"{dimension} coordinates to integrate numerically")
    frame = _frame(parts, dimension)
    if frame is None:
        nowhere = tuple(np.zeros(1) for _ in range(dimension))
        return Grid(-np.inf, 0.0, nowhere, np.zeros((1,) * dimension))
    center, width = frame
    low, high = _box(parts, center, width)
    found = None
    for h in _LENGTHS:
        marks = [np.arange(math.floor(a / h), math.ceil(b / h) + 1)
                 for a, b in zip(low, high, strict=True)]  # fmt: skip
        if math.prod(map(len, marks)) > _POINTS:
            break
        xs: list[Floats] = [np.asarray(h * k, dtype=float) for k in marks]
        logs = _log_values(parts, center, width, xs)
        whole, twice = (_total(logs, marks, h, every) for every in (1, 2))
        error = _error(whole, twice, dimension) + math.exp(_edge(logs, dimension))
        axes = _places(center, width, xs)
        odds = np.exp(logs + dimension * math.log(h) - whole)
        found = Grid(whole, error, axes, odds)
        if error <= TOLERANCES[dimension - 1]:
            return found
    raise NotIntegrated(
        f"the relative error is {found.error:.2g}" if found else "too many points to evaluate"
    )


# --- where the density is ----------------------------------------------------------------------


def _frame(parts: Sequence[Part], dimension: int) -> tuple[Floats, Floats] | None:
    """About the mode and the width along each coordinate; None where all is minus infinity."""

    def height(t: Floats) -> float:
        total = sum(p.log_density(t[list(p.at)]) for p in parts)
        return -total if np.isfinite(total) else 1e300

    starts = [np.full(dimension, t) for t in (0.0, 1.0, -1.0, 5.0, -5.0)]
    starts.sort(key=height)
    if height(starts[0]) >= 1e300:
        return None
    best = optimize.minimize(
        height,
        starts[0],
        method="Nelder-Mead",
        options={"xatol": 1e-2, "fatol": 1e-3, "maxfev": 2000, "maxiter": 2000},
    )
    width = np.array([_width(height, best.x, i) for i in range(dimension)])
    return best.x, width


def _width(height: Callable[[Floats], float], mode: Floats, i: int) -> float:
    """About how far along a coordinate it is to where the log density is half a unit lower."""
    top = height(mode) + 0.5

    def lower(step: float) -> bool:
        there = mode.copy()
        there[i] += step
        return height(there) >= top

    sides = []
    for sign in (1.0, -1.0):
        step = 0.5
        if lower(sign * step):
            while step > 1e-12 and lower(sign * step / 2.0):
                step /= 2.0
        else:
            while step < 1e6 and not lower(sign * step):
                step *= 2.0
        middle = step / math.sqrt(2.0)  # between the last two looked at
        sides.append(middle if lower(sign * middle) else step)
    return min(sides)


def _box(parts: Sequence[Part], center: Floats, width: Floats) -> tuple[list[float], list[float]]:
    """Bounds of x beyond which the density is too low to matter.

    Found along the coordinates through the center first, then on a coarse grid.
    """
    dimension, h = len(center), 1.0
    low, high = [-3.0] * dimension, [3.0] * dimension
    for i in range(dimension) if dimension > 1 else ():
        for bounds, way in ((low, -h), (high, h)):
            xs: list[Floats] = [np.zeros(1)] * dimension
            line = np.arange(0.0, _FARTHEST, h) * np.sign(way)
            xs[i] = line
            logs = _log_values(parts, center, width, xs).ravel()
            reached = np.flatnonzero(logs > logs.max() - _EDGE)
            bounds[i] = float(line[min(reached[-1] + 1, len(line) - 1)])
    while True:
        xs = [np.arange(a, b + h / 2, h) for a, b in zip(low, high, strict=True)]
        logs = _log_values(parts, center, width, xs)
        top, grown = logs.max(), False
        for i in range(dimension):
            own = logs.max(tuple(k for k in range(dimension) if k != i))
            if own[0] > top - _EDGE and low[i] > -_FARTHEST:
                low[i], grown = low[i] - h, True
            if own[-1] > top - _EDGE and high[i] < _FARTHEST:
                high[i], grown = high[i] + h, True
        if not grown:
            return _trimmed(low, high, logs, xs)


def _trimmed(
    low: list[float], high: list[float], logs: Floats, xs: Sequence[Floats]
) -> tuple[list[float], list[float]]:
    """The bounds moved inwards to the last places that matter."""
    for i, x in enumerate(xs):
        own = logs.max(tuple(k for k in range(len(xs)) if k != i))
        inside = x[own > logs.max() - _EDGE]
        step = x[1] - x[0]
        low[i], high[i] = max(low[i], inside[0] - step), min(high[i], inside[-1] + step)
    return low, high


# --- sums --------------------------------------------------------------------------------------


def _places(center: Floats, width: Floats, xs: Sequence[Floats]) -> tuple[Floats, ...]:
    """t at each axis's x."""
    frame = zip(center, width, xs, strict=True)
    return tuple(m + _BEND * s * np.sinh(x / _BEND) for m, s, x in frame)


def _log_values(
    parts: Sequence[Part], center: Floats, width: Floats, xs: Sequence[Floats]
) -> Floats:
    """log of the integrand over x at every point of the grid."""
    dimension = len(xs)
    axes = _places(center, width, xs)
    total = np.zeros([len(x) for x in xs])
    for i, x in enumerate(xs):
        spread = np.log(width[i]) + np.log(np.cosh(x / _BEND))
        total = total + np.expand_dims(spread, [k for k in range(dimension) if k != i])
    for part in parts:
        own = [axes[i] for i in part.at]
        values = [part.log_density(np.array(t)) for t in product(*own)]
        table = np.nan_to_num(
            np.reshape(values, [len(t) for t in own]), nan=-np.inf, neginf=-np.inf
        )
        total = total + np.expand_dims(table, [k for k in range(dimension) if k not in part.at])
    return total


def _total(logs: Floats, marks: Sequence[NDArray[np.int64]], h: float, every: int) -> float:
    """The log of the sum over every so many points, zero among them."""
    some = logs[np.ix_(*(np.flatnonzero(k % every == 0) for k in marks))]
    sums = log_sum(some, tuple(range(logs.ndim)))
    return float(sums) + logs.ndim * math.log(every * h)


def _edge(logs: Floats, dimension: int) -> float:
    """The highest log density at the edges, relative to the top."""
    faces = [logs.take(end, axis=i).max() for i in range(dimension) for end in (0, -1)]
    return float(max(faces) - logs.max())


def _error(whole: float, twice: float, dimension: int) -> float:
    """Relative, from the sums with this step and with twice as long a one.

    Their difference is the error of the second, which is squared when the step is halved, if it
    is small at all. That much is not relied upon: for one coordinate it stands for the error of
    the first, too, and for more, where points are dear, its power 4/3 does.
    """
    error = abs(math.expm1(min(twice - whole, 1.0)))
    return error if dimension == 1 or error >= 1.0 else float(error ** (4.0 / 3.0))
