"""Covariates far from zero beside their spread: what to say of them before a regression.

Sums of squares of data are taken about a pivot. Covariates are taken as they are, and a coefficient
beside an intercept is known to the square of the spread's share of the digits only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.program import Bound, Program

_FAR = 3e5  # a mean by its standard deviation: the square is a curvature's condition
_SOME = 16  # rows that show for nearly all covariates that they vary


def far_covariates(program: Program, bound: Bound) -> list[str]:
    """A note on every input that needs centring, by column."""
    notes = []
    for array in program.meta.arrays:
        if array.role != "input" or array.kind not in ("real", "positive"):
            continue
        x = np.asarray(bound.arrays[array.name])
        columns = x.reshape(int(np.prod(x.shape[: array.plates])), *x.shape[array.plates :])
        if not len(columns):
            continue
        if not _may_be_far(columns):
            continue
        mean, spread = np.abs(columns.mean(axis=0)), columns.std(axis=0)
        # one that is the same everywhere, but for rounding, is an intercept
        far = (mean > _FAR * spread) & (spread > 1e-14 * mean)
        for at in np.argwhere(far)[:3]:
            place = tuple(int(i) for i in at)
            indices = ", ".join([":", *map(str, place)])
            notes.append(
                f"{array.name}{f'[{indices}]' if place else ''} is "
                f"{mean[place]:.1e} on average and varies by {spread[place]:.1e} only: a "
                "coefficient of it is lost in rounding; subtract its mean"
            )
    return notes


def _may_be_far(columns: NDArray[np.float64]) -> bool:
    """Whether some rows leave it open that a column of (N, ...) is far: deviations take long.

    Two rows of a column that are d apart make its standard deviation s at least d / sqrt(2 N), and
    its mean m lies within s sqrt(N) of either, x. Where |m| > F s and F > 2 sqrt(N), therefore,
    |m| < 2 |x| and d < 2 sqrt(2 N) |x| / F.
    """
    n = len(columns)
    if 2.0 * n**0.5 >= _FAR:
        return True
    some = columns[:: max(n // _SOME, 1)]
    apart = some.max(axis=0) - some.min(axis=0)
    varies = apart >= 2.0 * (2.0 * n) ** 0.5 / _FAR * np.abs(some).min(axis=0)
    return not bool((varies & (apart > 0.0)).all())  # NaN don't show it
