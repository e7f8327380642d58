"""Points that meet linear equations and bounds, or the finding that there are none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_EXACT = 1e-10  # the tightest tolerance that HiGHS takes
_MET = 1e-9  # of the sizes in an equation


def feasible_point(rows: Floats, right: Floats, lower: Floats, upper: Floats) -> Floats | None:
    """Some x with rows @ x = right and lower <= x <= upper; None where there is none.

    rows : (m, n), right : (m,), lower, upper : (n,). A linear program without an objective, in
    units of the largest number in it.
    """
    if (lower > upper).any():
        return None
    if not len(rows):
        return np.clip(np.zeros(len(lower)), lower, upper)
    size = np.abs(rows).max(axis=1)
    rows, right = rows / size[:, None], right / size
    edges = np.concatenate([lower[np.isfinite(lower)], upper[np.isfinite(upper)], right])
    unit = float(np.abs(edges).max()) or 1.0
    from scipy.optimize import linprog  # slow to import, and seldom needed

    found = linprog(
        np.zeros(len(lower)), A_eq=rows, b_eq=right / unit,
        bounds=list(zip(lower / unit, upper / unit, strict=True)), method="highs",
        options={"primal_feasibility_tolerance": _EXACT},
    )  # fmt: skip
    if found.x is None:
        return None
    x: Floats = np.clip(unit * np.asarray(found.x, np.float64), lower, upper)
    off = np.abs(rows @ x - right)
    return x if (off <= _MET * np.maximum(unit, np.abs(rows) @ np.abs(x))).all() else None
