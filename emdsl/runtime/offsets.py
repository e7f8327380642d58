"""Covariates far from zero beside their spread: what to say of them before a regression.

Sums of squares of data are taken about a pivot. Covariates are taken as they are, and a coefficient
beside an intercept is known to the square of the spread's share of the digits only.
"""

from __future__ import annotations

import numpy as np

from emdsl.runtime.program import Bound, Program

_FAR = 3e5  # a mean by its standard deviation: the square is a curvature's condition


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
