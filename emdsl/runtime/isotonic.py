"""Numbers that may not fall, each with absolute deviations and squares of its own to keep small.

    min  sum_k f_k(m_k)    subject to    m_1 <= m_2 <= ... <= m_K,    f_k convex

Neighbours that are out of order have one value at the minimum: that which is least for the sum of
theirs. They are pooled from the left until all are in order (pool adjacent violators; for any
convex f_k: Best, Chakravarti and Ubhaya, SIAM J. Optim. 10 (2000)).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from emdsl.runtime.medians import least_place
from emdsl.runtime.objective import Floats


class Problem(NamedTuple):
    """bend x^2 / 2 + sum(weights |points - x|) - slope x, and the value that is least.

    points, weights : (R,). Of a problem without a least value it is where it stays.
    """

    value: float
    points: Floats
    weights: Floats
    slope: float
    bend: float

    def with_next(self, other: Problem) -> Problem:
        """Both as one."""
        points = np.concatenate([self.points, other.points])
        weights = np.concatenate([self.weights, other.weights])
        slope, bend = self.slope + other.slope, self.bend + other.bend
        value = least_place(points, weights, slope, bend)
        if not np.isfinite(value):
            value = 0.5 * (self.value + other.value)
        return Problem(value, points, weights, slope, bend)


def in_order(problems: list[Problem]) -> Floats:
    """The least values that don't fall, (K,)."""
    pooled: list[tuple[Problem, int]] = []
    for problem in problems:
        now, count = problem, 1
        while pooled and pooled[-1][0].value > now.value:
            before, more = pooled.pop()
            now, count = before.with_next(now), count + more
        pooled.append((now, count))
    return np.repeat([p.value for p, _ in pooled], [c for _, c in pooled])
