"""When an EM run has converged, and when a change is only rounding. Pure numbers.

EM's objective l_t rises by d_t = l_t - l_{t-1}, near the end geometrically: d_t = a d_{t-1}. What
is still to come after iteration t is then d_t a / (1 - a) (Aitken). A small d_t alone proves
little: at a = 0.999 a thousand times as much is still to come.
"""

from __future__ import annotations

_EPS = 2.220446049250313e-16
_LOGS = 1500.0  # logs of the least probabilities are -708, and such terms cancel too


def rounding(objective: float, rows: float, tightest: float) -> tuple[float, float]:
    """How far rounding may move the objective: (typically, at worst).

    rows : the total weight of the elements summed over.
    tightest : the smallest variance of a component relative to that of all the data. A log
        density is a sum of terms of about 1 / tightest, which cancel.
    """
    terms = 8.0 / max(tightest, 1e-12)
    base = 4.0 * _EPS * abs(objective)
    return base + _EPS * (4.0 + terms) * rows**0.5, base + _EPS * (_LOGS + terms) * rows


def has_converged(trace: list[float], tol: float, noise: float) -> bool:
    """Whether |d_t| and what Aitken says is still to come are both within tol (1 + |l_t|).

    noise : a change of no more than this can't be told from none.
    """
    if len(trace) < 2:
        return False
    now, before = trace[-1], trace[-2]
    change = abs(now - before)
    if change <= noise:
        return True
    enough = tol * (1.0 + abs(now))
    if change > enough or len(trace) < 3:
        return False
    earlier = before - trace[-3]
    if earlier <= noise:
        return False  # it has only begun to move: at a saddle, say
    ratio = (now - before) / earlier
    if ratio >= 1.0:
        return False
    return change * max(ratio, 0.0) / (1.0 - ratio) <= enough


def fell(now: float, before: float, allowance: float = 0.0) -> bool:
    """Whether the objective decreased by more than 1e-9 relative and what is allowed explain."""
    return before - now > 1e-9 * max(1.0, abs(before)) + allowance
