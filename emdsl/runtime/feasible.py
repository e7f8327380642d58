"""Points of an affine subspace that are within bounds, or the finding that there are none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_EXACT = 1e-10  # the tightest tolerance that HiGHS takes
_MET = 1e-9  # of the largest number: beyond a bound


def feasible_point(offset: Floats, matrix: Floats, lower: Floats, upper: Floats) -> Floats | None:
    """Some x = offset + matrix @ f with lower <= x <= upper; None where there is none.

    offset, lower, upper : (n,), matrix : (n, free). A linear program without an objective, in units
    of the largest number in it.
    """
    below, above = np.isfinite(lower), np.isfinite(upper)
    limits = np.concatenate([(upper - offset)[above], (offset - lower)[below]])
    unit = float(np.abs(np.concatenate([limits, offset])).max(initial=0.0)) or 1.0
    x = offset
    if matrix.shape[1] and len(limits):
        from scipy.optimize import linprog  # slow to import, and seldom needed

        found = linprog(
            np.zeros(matrix.shape[1]), A_ub=np.concatenate([matrix[above], -matrix[below]]),
            b_ub=limits / unit, bounds=[(None, None)] * matrix.shape[1], method="highs",
            options={"primal_feasibility_tolerance": _EXACT},
        )  # fmt: skip
        if found.x is None:
            return None
        x = offset + matrix @ (unit * np.asarray(found.x, np.float64))
    inside = np.clip(x, lower, upper)
    return inside if (np.abs(inside - x) <= _MET * unit).all() else None
