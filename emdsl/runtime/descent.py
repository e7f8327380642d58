"""Where squares and absolute deviations of single coefficients are least: the lasso's step.

theta @ curve @ theta / 2 - slope @ theta + sum_r c[r] |b[r] - a[r] theta[j(r)]|
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.medians import least_place
from emdsl.runtime.objective import Floats

_SWEEPS = 1000  # through all coefficients
_SETTLED = 1e-13  # of the largest coefficient
_ROUNDING = 1e-12  # of what slopes at a corner are made of


def least_with_squares(
    design: Floats,
    target: Floats,
    weights: Floats,
    slope: Floats,
    curve: Floats,
    start: Floats,
    limits: Floats | None = None,
) -> Floats:
    """The least place of sum(weights |target - theta @ design|) - slope @ theta + squares.

    The squares are theta @ curve @ theta / 2. Each column of the design has one entry that isn't
    zero. One coefficient after the other is put where it is least, until none moves: for such sums
    the least place of all (Tseng 2001). Which of them are at a corner is known far earlier, and
    then the others solve a linear system (Osborne, Presnell and Turlach 2000). `limits` are bounds
    of the coefficients, (2, P).
    """
    found = start.copy()
    counted = np.flatnonzero((weights > 0.0) & (design != 0.0).any(axis=0))
    whose = np.argmax(design[:, counted] != 0.0, axis=0)
    rate = design[whose, counted]
    corners = Corners(whose, target[counted] / rate, weights[counted] * np.abs(rate), len(start))
    few = corners.single() if limits is None and (curve.diagonal() > 0.0).all() else None
    every = corners.of_each() if few is None else []
    for _ in range(_SWEEPS):
        before = found.copy()
        if few is not None:
            _sweep_single(found, *few, slope, curve)
        else:
            _sweep(found, every, slope, curve, limits)
        if np.abs(found - before).max() <= _SETTLED * np.abs(found).max():
            break
        exact = _solved(found, corners, slope, curve, limits)
        if exact is not None:
            return exact
    return found


class Corners:
    """Places (R,) of coefficients (R,) of P that weights (R,), positive, draw these to."""

    def __init__(self, whose: NDArray[np.intp], at: Floats, weight: Floats, count: int) -> None:
        self.whose, self.at, self.weight, self.count = whose, at, weight, count

    def of_each(self) -> list[tuple[Floats, Floats]]:
        """The places and the weights of one coefficient after the other."""
        order = np.argsort(self.whose, kind="stable")
        ends = np.cumsum(np.bincount(self.whose, minlength=self.count))[:-1]
        at, weight = np.split(self.at[order], ends), np.split(self.weight[order], ends)
        return list(zip(at, weight, strict=True))

    def single(self) -> tuple[Floats, Floats] | None:
        """The place and the weight of each coefficient, (P,), if none has two."""
        if len(self.whose) and np.bincount(self.whose).max() > 1:
            return None
        at, weight = np.zeros(self.count), np.zeros(self.count)
        at[self.whose], weight[self.whose] = self.at, self.weight
        return at, weight

    def sides(self, theta: Floats) -> Floats:
        """On which side of each corner its coefficient is, (R,): 0 where it is there."""
        return np.asarray(np.sign(theta[self.whose] - self.at))

    def pull(self, each: Floats) -> Floats:
        """The weights times numbers of the corners (R,), added up for each coefficient, (P,)."""
        return np.bincount(self.whose, self.weight * each, self.count).astype(np.float64)


def _sweep(
    found: Floats,
    corners: Sequence[tuple[Floats, Floats]],
    slope: Floats,
    curve: Floats,
    limits: Floats | None,
) -> None:
    """Put each coefficient where it is least, in place."""
    for j, (at, weight) in enumerate(corners):
        bend = float(curve[j, j])
        rest = float(slope[j] - curve[j] @ found + bend * found[j])
        place = least_place(at, weight, rest, bend)
        found[j] = place if bend > 0.0 or np.isfinite(place) else found[j]
        if limits is not None:
            found[j] = min(max(found[j], limits[0, j]), limits[1, j])


def _sweep_single(found: Floats, at: Floats, weight: Floats, slope: Floats, curve: Floats) -> None:
    """The same where each coefficient has one corner at the most, by soft thresholds."""
    left = slope - curve @ found
    bends, ats, weights = curve.diagonal().tolist(), at.tolist(), weight.tolist()
    for j, (bend, corner, pull) in enumerate(zip(bends, ats, weights, strict=True)):
        old = float(found[j])
        out = float(left[j]) + bend * (old - corner)
        new = corner + (out - pull) / bend if out > pull else corner
        new = corner + (out + pull) / bend if out < -pull else new
        if new != old:
            left -= curve[j] * (new - old)
            found[j] = new


def _solved(
    found: Floats, corners: Corners, slope: Floats, curve: Floats, limits: Floats | None
) -> Floats | None:
    """The least place if the same coefficients are at corners and bounds there as are now."""
    sides = corners.sides(found)
    pull, held = corners.pull(sides), corners.pull(sides == 0.0)
    low = np.zeros(len(found), dtype=np.bool_) if limits is None else found <= limits[0]
    high = np.zeros(len(found), dtype=np.bool_) if limits is None else found >= limits[1]
    free = ~((held > 0.0) | low | high)
    new = found.copy()
    if free.any():
        goal = slope[free] - pull[free] - curve[np.ix_(free, ~free)] @ found[~free]
        try:
            new[free] = np.linalg.solve(curve[np.ix_(free, free)], goal)
        except np.linalg.LinAlgError:
            return None
    if limits is not None and not ((new >= limits[0]) & (new <= limits[1])).all():
        return None
    if not np.array_equal(corners.sides(new), sides):
        return None
    force = slope - curve @ new - pull
    near = _ROUNDING * (np.abs(slope) + np.abs(curve) @ np.abs(new) + held + np.abs(pull))
    stays = (force <= held + near) | high
    stays &= (force >= -held - near) | low
    return new if stays[~free].all() and np.isfinite(new).all() else None
