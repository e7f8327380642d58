"""Log integrals and moments of one continuous latent by adaptive quadrature, and by differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import integrate, optimize

Function = Callable[[float], float]


def integrated(
    log_joint: Function, functions: Sequence[Function], lower: float, upper: float
) -> tuple[float, list[float]]:
    """log integral of exp(log_joint(t)), and the mean of each function under it, lower < t < upper.

    The log joint has one peak in t, and falls by 60 within reach of it on each side or ends there.
    """
    peak = _peak(log_joint, lower, upper)
    top = log_joint(peak)
    left = _edge(log_joint, peak, lower, -1.0, top)
    right = _edge(log_joint, peak, upper, 1.0, top)
    edges = [*np.linspace(left, peak, 13)] * (left < peak)
    edges += [*np.linspace(peak, right, 13)] * (peak < right)

    def at(t: float) -> Any:
        return np.exp(log_joint(t) - top) * np.array([1.0, *(f(t) for f in functions)])

    total = np.zeros(1 + len(functions))
    for a, b in pairwise(edges):
        if a < b:
            total += integrate.quad_vec(at, a, b, epsabs=0.0, epsrel=1e-12, norm="max")[0]
    return float(np.log(total[0]) + top), [float(x) for x in total[1:] / total[0]]


def _peak(log_joint: Function, lower: float, upper: float) -> float:
    grid = np.concatenate(
        [-np.geomspace(1e-9, 1e9, 400)[::-1], [0.0], np.geomspace(1e-9, 1e9, 400)]
    )
    if np.isfinite(lower) and np.isfinite(upper):
        grid = np.linspace(lower, upper, 2001)
    elif np.isfinite(lower):
        grid = lower + np.concatenate([[0.0], np.geomspace(1e-12, 1e12, 2000)])
    elif np.isfinite(upper):
        grid = upper - np.concatenate([[0.0], np.geomspace(1e-12, 1e12, 2000)])[::-1]
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.array([log_joint(float(t)) for t in grid])
    k = int(np.nanargmax(values))
    a, b = grid[max(k - 1, 0)], grid[min(k + 1, len(grid) - 1)]
    found = optimize.minimize_scalar(
        lambda t: -log_joint(t), bounds=(a, b), method="bounded", options={"xatol": 1e-12}
    )
    return float(found.x if log_joint(float(found.x)) > values[k] else grid[k])


def _edge(log_joint: Function, peak: float, end: float, sign: float, top: float) -> float:
    """Where the log joint has fallen by 60 on one side, by doubling and bisection; or the end."""
    if peak == end:
        return peak
    step = 1e-9 * max(1.0, abs(peak))
    low = peak
    while True:
        t = peak + sign * step
        if (t - end) * sign >= 0.0:
            t = end
            if top - log_joint(end) < 60.0:
                return end
            break
        with np.errstate(over="ignore"):
            if top - log_joint(t) > 60.0:
                break
        low, step = t, 2.0 * step
    for _ in range(60):
        middle = 0.5 * (low + t)
        with np.errstate(over="ignore"):
            if top - log_joint(middle) > 60.0:
                t = middle
            else:
                low = middle
    return t


def slopes(message: Callable[[Any], Any], natural: Sequence[float], step: Any) -> list[float]:
    """The gradient of a log integral by central differences; `step` for each parameter."""
    found = []
    for k in range(len(natural)):
        ways = []
        for sign in (1.0, -1.0):
            moved = list(natural)
            moved[k] += sign * step[k]
            ways.append((float(np.ravel(message(moved))[0]), moved[k]))
        found.append((ways[0][0] - ways[1][0]) / (ways[0][1] - ways[1][1]))
    return found


def assert_drawn(draws: Any, expected: Any) -> None:
    """Means over the last axis of draws (..., n) are `expected` (...), within five standard errors.

    A wrong sampler of n = 1e5 is seen from two parts in a hundred of a standard deviation on.
    """
    draws = np.asarray(draws)
    error = draws.std(axis=-1) / np.sqrt(draws.shape[-1])
    size = 1e-12 * np.abs(expected)
    assert (np.abs(draws.mean(axis=-1) - expected) <= 5.0 * error + size).all()
