"""Linear equations and bounds that the free numbers of patterned matrices have to meet.

    rows f = right,    lower <= f <= upper

The equations leave f = any of them + basis g. A step of Newton's method under both is a quadratic
program, which has its exact solution (`quadratic.highest`): entries that would go beyond a bound
stop there, and others are let go again, all within one step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.feasible import feasible_point
from emdsl.runtime.quadratic import highest

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

_RANK = 1e-12
_MET = 1e-9  # of the sizes in an equation


@dataclass(frozen=True, slots=True)
class _Span:
    """x = offset + matrix @ g within bounds, as `quadratic.highest` takes it."""

    offset: Floats
    matrix: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True, slots=True)
class Limits:
    """What problems of one form say of their free numbers.

    rows : (m, free), of all problems alike; right : (problems, m); lower, upper : (problems, free).
    basis : (free, left), orthonormal, what moves f without leaving the equations.
    """

    rows: Floats
    right: Floats
    lower: Floats
    upper: Floats
    basis: Floats

    def some(self, at: Ints | Bools) -> Limits:
        """Those of some of the problems."""
        return replace(self, right=self.right[at], lower=self.lower[at], upper=self.upper[at])

    def clipped(self, f: Floats) -> Floats:
        """f (problems, free), on a bound where rounding put it beyond."""
        found: Floats = np.minimum(np.maximum(f, self.lower), self.upper)
        return found

    def met(self, f: Floats) -> Bools:
        """Of which problems the numbers (problems, free) meet everything: (problems,)."""
        good = np.asarray(((f >= self.lower) & (f <= self.upper)).all(axis=1))
        off = np.abs(f @ self.rows.T - self.right)
        size = np.abs(f) @ np.abs(self.rows).T + np.abs(self.right)
        return np.asarray(good & (off <= _MET * size).all(axis=1))

    def nearest(self, f: Floats, unit: Floats) -> tuple[Floats, Bools]:
        """The nearest numbers, each in its unit, that meet everything; and where there are any.

        f, unit : (problems, free).
        """
        out, good = np.array(f), np.ones(len(f), dtype=np.bool_)
        for i, given in enumerate(f):
            found = self._nearest(i, given, unit[i])
            if found is None:
                good[i] = False
            else:
                out[i] = found
        return out, good

    def _nearest(self, i: int, f: Floats, unit: Floats) -> Floats | None:
        lower, upper, right = self.lower[i], self.upper[i], self.right[i]
        if not len(self.rows):
            return np.clip(f, lower, upper) if (lower <= upper).all() else None
        particular = np.linalg.pinv(self.rows, rcond=_RANK) @ right
        span = _Span(particular / unit, _orthonormal(self.basis / unit[:, None]),
                     lower / unit, upper / unit)  # fmt: skip
        moved = span.offset + span.matrix @ (span.matrix.T @ (f / unit - span.offset))
        if ((moved >= span.lower) & (moved <= span.upper)).all():
            return np.asarray(unit * moved)
        begin = feasible_point(particular, self.basis, lower, upper)
        if begin is None:
            return None
        found = highest(np.eye(len(f)), f / unit, span, begin / unit)
        return np.clip(unit * found, lower, upper)

    def step(self, i: int, f: Floats, gradient: Floats, curvature: Floats) -> Floats:
        """The m with f + m within the limits of problem i where gradient m - m' curvature m / 2
        is highest: (free,). f, gradient : (free,), curvature : (free, free).

        Raises LinAlgError where the curvature isn't positive along the equations.
        """
        if not self.basis.shape[1]:
            return np.zeros_like(f)
        diagonal = np.diagonal(curvature)
        if not (diagonal > 0.0).all():
            raise np.linalg.LinAlgError
        unit = 1.0 / np.sqrt(diagonal)
        scaled = curvature * unit * unit[:, None]
        along = _orthonormal(self.basis / unit[:, None])
        np.linalg.cholesky(along.T @ scaled @ along)
        lower, upper = (self.lower[i] - f) / unit, (self.upper[i] - f) / unit
        span = _Span(np.zeros_like(f), along, lower, upper)
        return np.asarray(unit * highest(scaled, unit * gradient, span, np.zeros_like(f)))


def limits_of(rows: Floats, right: Floats, lower: Floats, upper: Floats) -> Limits:
    """The limits of several problems; arrays as in `Limits`."""
    if not len(rows):
        return Limits(rows, right, lower, upper, np.eye(rows.shape[1]))
    _, s, vt = np.linalg.svd(rows / np.linalg.norm(rows, axis=1)[:, None])
    rank = int((s > _RANK * s[0]).sum())
    return Limits(rows, right, lower, upper, vt[rank:].T)


def _orthonormal(columns: Floats) -> Floats:
    """An orthonormal basis of what the columns (n, k) span."""
    found: Floats = np.linalg.qr(columns / np.maximum(np.abs(columns).max(initial=0.0), 1e-300))[0]
    return found
