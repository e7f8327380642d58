"""Where absolute deviations and squares together are least: a quadratic program with corners.

    sum_n c[n] |b[n] - a[:, n] . theta|  +  theta' C theta / 2  -  g . theta

As for deviations alone some are zero at the least place, but no longer as many as there are
unknowns. They are held at zero while the rest, which is quadratic until another deviation changes
its sign, is made least; one is let go where its price says that the sum falls on one of its sides.

A row's cost may differ on its two sides and be infinite on one, which makes it a bound.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.constraints import System
from emdsl.runtime.medians import deviation
from emdsl.runtime.objective import Floats

_FLAT = 1e-11  # of the largest slope or curvature: none
_NUDGE = 1e-9  # of the typical deviation, by which ties are broken
_ROUNDING = 1e-12

Mask = NDArray[np.bool_]


class Rows(NamedTuple):
    """Deviations target - theta @ design (P, R), and what they cost below zero and above."""

    design: Floats
    target: Floats
    below: Floats
    above: Floats

    def slopes(self, positive: Mask) -> Floats:
        """The derivative by each deviation on its side of zero."""
        return np.where(positive, self.above, -self.below)


def least_bent(
    design: Floats,
    target: Floats,
    weights: Floats,
    slope: Floats,
    curve: Floats,
    start: Floats,
    system: System | None = None,
) -> Floats | None:
    """The least place of sum(weights |target - theta @ design|) - slope @ theta + squares, or None.

    The squares are theta @ curve @ theta / 2. The start is between the system's bounds, and so is
    what is found. None where there is no least place, or none that isn't worse than the start.
    """
    rows = Rows(design, target, weights, weights)
    if system is not None and system.bounded:
        rows = _walled(rows, system)
    found = _least(rows, slope, curve, start, len(target))
    if found is None or not np.isfinite(found).all():
        return None
    before, after = (
        deviation(design, target, weights, slope, x) + 0.5 * float(x @ curve @ x)
        for x in (start, found)
    )
    return None if after > before + _ROUNDING * abs(before) else found


def _walled(rows: Rows, system: System) -> Rows:
    """The rows with the bounds of offset + matrix @ theta among them."""
    low, high = np.isfinite(system.lower), np.isfinite(system.upper)
    edges = np.concatenate([(system.lower - system.offset)[low],
                            (system.upper - system.offset)[high]])  # fmt: skip
    wall = np.where(np.arange(len(edges)) < low.sum(), np.inf, 0.0)  # no lower, no higher
    return Rows(
        np.concatenate([rows.design, system.matrix[low].T, system.matrix[high].T], axis=1),
        np.concatenate([rows.target, edges]),
        np.concatenate([rows.below, np.where(wall > 0.0, 0.0, np.inf)]),
        np.concatenate([rows.above, wall]),
    )


def _least(rows: Rows, slope: Floats, curve: Floats, start: Floats, count: int) -> Floats | None:
    """Of the rows the first `count` are deviations, the others bounds that the start keeps."""
    scale = np.maximum(np.abs(rows.design).max(axis=1, initial=0.0), np.sqrt(np.diag(curve)))
    scale[scale == 0.0] = 1.0
    a = rows.design / scale[:, None]
    b = rows.target - start @ rows.design  # the unknown is the way from here
    g, c = (slope - curve @ start) / scale, curve / np.outer(scale, scale)
    typical = float(np.abs(b[:count]).mean()) if count else 0.0
    nudge = np.zeros(len(b))
    nudge[:count] = np.random.default_rng(0).uniform(0.5, 1.0, count) * _NUDGE * typical
    found = _descend(rows._replace(design=a, target=b + nudge), g, c)
    if found is None:
        return None
    way, held, positive = found
    # the same corner of the rows as they are
    rest = g + a[:, ~held] @ rows.slopes(positive)[~held]
    matrix = np.block([[c, a[:, held]], [a[:, held].T, np.zeros((held.sum(), held.sum()))]])
    exact = np.linalg.lstsq(matrix, np.concatenate([rest, b[held]]))[0][: len(way)]
    if np.abs(exact - way).max() > 1e-3 * max(np.abs(way).max(), typical):
        exact = way  # held by rounding alone
    place: Floats = start + exact / scale
    return place


def _descend(rows: Rows, g: Floats, c: Floats) -> tuple[Floats, Mask, Mask] | None:
    """The least place from zero, the rows held at it, and which of the others are positive."""
    a, b = rows.design, rows.target
    size, count = a.shape
    x = np.zeros(size)
    held = np.zeros(count, dtype=bool)
    positive = (b > 0.0) & np.isfinite(rows.above) | np.isinf(rows.below)
    whole = np.abs(a) @ np.where(np.isinf(rows.above), 0.0, rows.above) + np.abs(g)
    steep = _FLAT * max(float(whole.max(initial=0.0)), np.finfo(np.float64).tiny)
    for _ in range(100 * size + 10 * count + 100):
        gradient = c @ x - g - a[:, ~held] @ rows.slopes(positive)[~held]
        way = _newton(gradient, c, a[:, held], steep)
        if way is None:
            worst = _dearest(gradient, rows, held, steep)
            if worst is None:
                return x, held, positive
            row, positive[row] = worst
            held[row] = False
            continue
        speed = a.T @ way
        ahead = ~held & (positive == (speed > 0.0)) & (speed != 0.0)
        left = np.where(ahead, np.where(positive, 1.0, -1.0) * (b - a.T @ x), 0.0)
        step, stop, passed = _along(
            np.maximum(left, 0.0),
            np.abs(speed),
            ahead,
            float(gradient @ way),
            float(way @ c @ way),
            rows,
        )
        if not np.isfinite(step):
            return None
        x = x + step * way
        positive[passed] = ~positive[passed]
        if stop is not None:
            held[stop] = True
    return None


def _newton(gradient: Floats, c: Floats, normals: Floats, steep: float) -> Floats | None:
    """The way to the least place while no row changes its side; None where it is here."""
    size = len(gradient)
    if normals.shape[1]:
        q, r = np.linalg.qr(normals, mode="complete")
        rank = int((np.abs(np.diag(r)) > _FLAT).sum())
        along = q[:, rank:]
    else:
        along = np.eye(size)
    reduced = along.T @ gradient
    if not len(reduced) or np.abs(reduced).max() <= steep:
        return None
    values, vectors = np.linalg.eigh(along.T @ c @ along)
    bent = values > _FLAT * max(float(values[-1]), np.finfo(np.float64).tiny)
    parts = vectors.T @ reduced
    if np.abs(parts[~bent]).max(initial=0.0) > steep:  # straight down, as far as a row allows
        bent, values = ~bent, np.ones_like(values)
    way: Floats = -along @ (vectors[:, bent] @ (parts[bent] / values[bent]))
    return way


def _dearest(gradient: Floats, rows: Rows, held: Mask, steep: float) -> tuple[int, bool] | None:
    """The held row whose price is furthest beyond its costs, and whether it becomes positive."""
    at = np.flatnonzero(held)
    if not len(at):
        return None
    prices = np.linalg.lstsq(rows.design[:, at], gradient)[0]
    excess = np.maximum(prices - rows.above[at], -rows.below[at] - prices)
    worst = int(np.argmax(excess))
    if excess[worst] * np.abs(rows.design[:, at[worst]]).max() <= steep:
        return None
    return int(at[worst]), bool(prices[worst] > 0.0)


def _along(
    left: Floats, speed: Floats, ahead: Mask, falling: float, bend: float, rows: Rows
) -> tuple[float, int | None, NDArray[np.intp]]:
    """How far the sum falls along a way, the row that stops it there if one does, those passed.

    left, speed : how far the rows `ahead` are from zero, and how fast they come nearer.
    """
    at = np.flatnonzero(ahead & (speed > _ROUNDING * speed.max(initial=0.0)))
    when = left[at] / speed[at]
    order = np.argsort(when, kind="stable")
    at, when = at[order], when[order]
    jumps = (rows.below[at] + rows.above[at]) * speed[at]
    after = falling + bend * when + np.cumsum(jumps)
    first = int(np.searchsorted(after, 0.0))
    gained = float(jumps[:first].sum())
    between = -(falling + gained) / bend if bend > 0.0 else np.inf
    if first < len(at) and when[first] <= between:
        return float(when[first]), int(at[first]), at[:first]
    return between, None, at[:first]
