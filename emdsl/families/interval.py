"""The interval that a distribution's support is, read off its condition."""

from __future__ import annotations

import math

import sympy as sp

Interval = tuple[float, float]

WHOLE: Interval = (-math.inf, math.inf)


def interval_of(condition: sp.Basic, x: sp.Basic) -> Interval | None:
    """The least and the greatest `x` that meets the condition; None where it isn't of numbers.

    `And(a <= x, x <= b)` is (a, b).
    """
    low, high = WHOLE
    for part in condition.args if isinstance(condition, sp.And) else (condition,):
        if part == sp.true:
            continue
        if not isinstance(part, sp.Le | sp.Lt | sp.Ge | sp.Gt) or x not in (part.lhs, part.rhs):
            return None
        edge = part.rhs if part.lhs == x else part.lhs
        if not edge.is_number:
            return None
        above = isinstance(part, sp.Ge | sp.Gt) == (part.lhs == x)
        low, high = (max(low, float(edge)), high) if above else (low, min(high, float(edge)))
    return low, high
