"""Covariates far from zero beside their spread.

Sums of squares of data are taken about a pivot. Of a covariate about zero with a coefficient beside
an intercept, only the square of the spread's share of the digits is left: see `centred`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.program import Array, Bound, Floats, Meta

LOST = 3e5  # a mean by its standard deviation: the square is a curvature's condition
AWAY = 1e2  # the same where taking off a constant begins to be worth its while
_SOME = 16  # rows that show for nearly all covariates that they vary
_SAME = 1e-14  # of the mean: what rounding may leave of a column that is the same everywhere


@dataclass(frozen=True, slots=True)
class Columns:
    """The means and standard deviations of an array's columns, in the shape of one element.

    `far` are those whose mean is `AWAY` or more of their spread, `constant` those without one.
    """

    mean: Floats
    spread: Floats
    far: NDArray[np.bool_]
    constant: NDArray[np.bool_]

    @property
    def lost(self) -> NDArray[np.bool_]:
        """Those so far that their coefficients are lost in rounding."""
        return self.far & (np.abs(self.mean) > LOST * self.spread)


def covariates(meta: Meta) -> tuple[Array, ...]:
    """The arrays that may be covariates: inputs, and data that other data depend on."""
    moved = {t.array for t in meta.translations}
    return tuple(
        a
        for a in meta.arrays
        if a.name in moved or (a.role == "input" and a.kind in ("real", "positive"))
    )


def columns_of(array: Array, bound: Bound) -> Floats:
    """An array's elements, of all its plates, one after the other: (elements, *one element)."""
    x = np.asarray(bound.arrays[array.name])
    rank = len(array.dims) - array.plates
    return x.reshape(-1, *x.shape[x.ndim - rank :])


def far_columns(columns: Floats) -> Columns | None:
    """What there is to know of columns (N, ...) where one may be far from zero; else None."""
    if not len(columns) or not _may_be_far(columns):
        return None
    mean, spread = columns.mean(axis=0), columns.std(axis=0)
    constant = spread <= _SAME * np.abs(mean)
    return Columns(mean, spread, (np.abs(mean) > AWAY * spread) & ~constant, constant)


def far_text(array: Array, place: tuple[int, ...], found: Columns) -> str:
    """A column, and how far it is."""
    indices = ", ".join([":", *map(str, place)])
    return (
        f"{array.name}{f'[{indices}]' if place else ''} is {abs(found.mean[place]):.1e} on average "
        f"and varies by {found.spread[place]:.1e} only"
    )


def _may_be_far(columns: Floats) -> bool:
    """Whether some rows leave it open that a column of (N, ...) is far: deviations take long.

    Two rows of a column that are d apart make its standard deviation s at least d / sqrt(2 N), and
    its mean m lies within s sqrt(N) of either, x. Where |m| > F s and F > 2 sqrt(N), therefore,
    |m| < 2 |x| and d < 2 sqrt(2 N) |x| / F. That is so of F = `LOST`; that they are `AWAY` and no
    more a few rows may hide.
    """
    n = len(columns)
    if 2.0 * n**0.5 >= LOST:
        return True
    some = columns[:: max(n // _SOME, 1)]
    apart = some.max(axis=0) - some.min(axis=0)
    least = np.abs(some).min(axis=0)
    part = max(2.0 * (2.0 * n) ** 0.5 / LOST, 2.0 / AWAY)
    varies = apart >= part * least
    return not bool((varies & (apart > 0.0)).all())  # NaN don't show it
