"""Where a weighted sum of absolute deviations is least: a median, or a linear program.

    one unknown    sum_n c[n] |b[n] - a[n] theta|  -  g theta
    several        sum_n c[n] |b[n] - a[:, n] . theta|  -  g . theta

Both are exact: up to rounding no other place is lower.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.constraints import System
from emdsl.runtime.objective import Floats

_ROUNDING = 1e-12  # of the weights' sum: two places this near in value are as good
_NO_WEIGHT = 1e-15  # of the largest weight
_RANK = 1e-11  # of the largest column: a direction that the design does not have
_GAP = 1e-11  # of a sum of deviations, to the bound that its dual gives
_NEAR = 100.0  # a start is near if its deviations are no more than so many times the least
_NUDGE = 1e-9  # of the typical deviation, by which ties are broken


def weighted_median(
    points: Floats, weights: Floats, order: NDArray[np.intp], slope: float = 0.0
) -> float:
    """The least place of sum(weights |points - x|) - slope x, or NaN where there is none.

    points, weights : (R,); `order` sorts the points. Between two points that are as good it is
    their midpoint, as for the median of an even number of points.
    """
    kept = order[weights[order] > 0.0]
    if not len(kept):
        return np.nan
    total = np.cumsum(weights[kept])
    goal, near = 0.5 * (total[-1] + slope), _ROUNDING * total[-1]
    if not -near <= goal <= total[-1] + near:
        return np.nan  # the slope is steeper than all the deviations together
    first = min(int(np.searchsorted(total, goal - near)), len(kept) - 1)
    low = float(points[kept[first]])
    if abs(total[first] - goal) > near or first + 1 == len(kept):
        return low
    return low + 0.5 * (float(points[kept[first + 1]]) - low)


def bent_median(points: Floats, weights: Floats, slope: float, bend: float) -> float:
    """The least place of bend x^2 / 2 + sum(weights |points - x|) - slope x, bend > 0.

    At a point, or where the derivative between two of them is zero.
    """
    kept = np.argsort(points)
    kept = kept[weights[kept] > 0.0]
    total = np.cumsum(weights[kept])
    whole = float(total[-1]) if len(kept) else 0.0
    rising = 2.0 * total - whole - slope + bend * points[kept]  # the derivative after each point
    first = int(np.searchsorted(rising, 0.0))
    before = float(total[first - 1]) if first else 0.0
    between = (slope + whole - 2.0 * before) / bend
    return between if first == len(kept) else min(between, float(points[kept[first]]))


def least_place(points: Floats, weights: Floats, slope: float, bend: float) -> float:
    """`bent_median`, or the `weighted_median` where nothing bends: NaN where there is none."""
    if bend > 0.0:
        return bent_median(points, weights, slope, bend)
    return weighted_median(points, weights, np.argsort(points, kind="stable"), slope)


def least_absolute(
    design: Floats, target: Floats, weights: Floats, slope: Floats, start: Floats
) -> Floats | None:
    """The least place of sum(weights |target - theta @ design|) - slope @ theta, or None.

    design : (P, R), target, weights : (R,), slope, start : (P,).

    Coefficients that the rows don't tell apart stay at the start, and those that they do are
    found with these. None where there is no least place. The simplex method with a weighted median
    along each edge (Bloomfield and Steiger 1983, chapter 7), in the coordinates of an
    orthonormal design, from the vertex nearest the start; where that ends short of the bound that
    the dual program gives, the dual is solved instead.
    """
    from scipy import linalg

    counted = weights > _NO_WEIGHT * weights.max(initial=0.0)
    a, b, c = design[:, counted].T, target[counted], weights[counted]
    if not len(c):
        return start
    scale = np.abs(a).max(axis=0)
    scale[scale == 0.0] = 1.0
    q, r, pivots = linalg.qr(a / scale, mode="economic", pivoting=True)
    diagonal = np.abs(np.diag(r))
    rank = int((diagonal > _RANK * diagonal[0]).sum()) if diagonal[0] > 0.0 else 0
    if rank == 0:
        return start
    q, r, chosen = q[:, :rank], r[:rank, :rank], pivots[:rank]
    tilt = linalg.solve_triangular(r, (slope / scale)[chosen], trans="T")
    found = start.copy()
    for solve in (_simplex, _simplex, _simplex, _dual):
        left = b - a @ found  # the unknown is the way from here: digits of its own size are lost
        way, certain = solve(q, left, c, tilt)
        if way is None:
            if solve is _dual:
                return None
            continue
        found[chosen] += linalg.solve_triangular(r, way) / scale[chosen]
        if certain and c @ np.abs(left) <= _NEAR * (c @ np.abs(b - a @ found)):
            break
    return found


def least_within(
    design: Floats, target: Floats, weights: Floats, slope: Floats, system: System
) -> Floats | None:
    """`least_absolute` of the free coordinates f where offset + matrix @ f is between its bounds.

    As a linear program in f and the deviations to either side.
    """
    from scipy import optimize

    free, rows = design.shape
    cost = np.concatenate([-slope, weights, weights])
    equal = np.hstack([design.T, np.eye(rows), -np.eye(rows)])
    matrix = np.hstack([system.matrix, np.zeros((len(system.matrix), 2 * rows))])
    above, below = np.isfinite(system.upper), np.isfinite(system.lower)
    sides = np.vstack([matrix[above], -matrix[below]])
    ends = np.concatenate([(system.upper - system.offset)[above],
                           (system.offset - system.lower)[below]])  # fmt: skip
    bounds: list[tuple[float | None, float | None]] = [(None, None)] * free
    bounds += [(0.0, None)] * (2 * rows)
    found = optimize.linprog(cost, sides, ends, equal, target, bounds, method="highs")
    return np.asarray(found.x)[:free] if found.success else None


def deviation(
    design: Floats, target: Floats, weights: Floats, slope: Floats, theta: Floats
) -> float:
    """What is least at the place that `least_absolute` finds."""
    away = np.abs(target - theta @ design)
    return float(np.where(weights > 0.0, away, 0.0) @ weights - slope @ theta)


def _simplex(a: Floats, b: Floats, c: Floats, g: Floats) -> tuple[Floats | None, bool]:
    """The least vertex of sum(c |b - a @ x|) - g @ x, and whether the dual's value says it is.

    a : (R, m) with orthonormal columns.

    Rows with equal deviations would let it go in circles: the targets are moved a little, each by
    its own amount, which decides between them. The end is checked with the targets as they are.
    """
    rows, size = a.shape
    typical = float(c @ np.abs(b) / c.sum())
    nudge = np.random.default_rng(0).uniform(0.5, 1.0, rows) * _NUDGE * typical
    moved = b + nudge
    basis = _nearest(a, moved)
    total = float(c.sum())
    for _ in range(50 * size + rows):
        try:
            inverse = np.linalg.inv(a[basis])
        except np.linalg.LinAlgError:
            return None, False
        left = moved - a @ (inverse @ moved[basis])
        left[basis] = 0.0
        dual = (c * np.sign(left)) @ a + g
        prices = dual @ inverse
        excess = np.abs(prices) - c[basis]
        leaving = int(np.argmax(excess))
        if excess[leaving] <= _ROUNDING * total:
            x = inverse @ b[basis]
            x += inverse @ (b[basis] - a[basis] @ x)
            sides = c * np.sign(left)
            sides[basis] = -prices
            value = float(c @ np.abs(b - a @ x) - g @ x)
            short = value - float(sides @ b)
            return x, short <= _GAP * max(abs(value), total * typical)
        entering = _along(a @ (np.sign(prices[leaving]) * inverse[:, leaving]), left, c,
                          excess[leaving], basis)  # fmt: skip
        if entering is None:
            return None, False
        basis[leaving] = entering
    return None, False


def _nearest(a: Floats, b: Floats) -> NDArray[np.intp]:
    """As many independent rows as there are columns, those with small targets first."""
    from scipy import linalg

    size = np.abs(b)
    close = a / (size + 1e-6 * size.max() + np.finfo(np.float64).tiny)[:, None]
    _, _, order = linalg.qr(close.T, mode="economic", pivoting=True)
    return np.array(order[: a.shape[1]])


def _along(
    speed: Floats, left: Floats, c: Floats, falling: float, basis: NDArray[np.intp]
) -> int | None:
    """The row whose deviation is zero at the lowest place along an edge; None where it has none."""
    crossing = left * speed > 0.0
    crossing &= np.abs(speed) > 1e-12 * np.abs(speed).max()
    crossing[basis] = False
    at = np.flatnonzero(crossing)
    at = at[np.argsort(left[at] / speed[at])]
    reached = np.cumsum(2.0 * c[at] * np.abs(speed[at])) - falling
    first = int(np.searchsorted(reached, 0.0))
    return int(at[first]) if first < len(at) else None


def _dual(a: Floats, b: Floats, c: Floats, g: Floats) -> tuple[Floats | None, bool]:
    """The same by its dual, max b @ y with a.T @ y = -g and |y| <= c; None where it has none."""
    from scipy import optimize

    bounds = [(-float(x), float(x)) for x in c]
    found = optimize.linprog(-b, A_eq=a.T, b_eq=-g, bounds=bounds, method="highs")
    return (-np.asarray(found.eqlin.marginals), True) if found.success else (None, False)
