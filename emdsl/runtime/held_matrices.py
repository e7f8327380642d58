"""Updates of positive definite matrices, also where constraints hold of single entries.

Matrices of which nothing is said, or that are held or tied as wholes, have their closed form; those
with entries that are held or tied are `patterned`, and start from their old values.
"""

from __future__ import annotations

import numpy as np

from emdsl.runtime import matrix_quadratic as quadratic
from emdsl.runtime import patterned as pattern
from emdsl.runtime.held import Held
from emdsl.runtime.linear import Floats, safe_inverse, symmetric


def covariances(closed: Floats, old: Held) -> Floats:
    """Where -logdet S - tr(S^-1 C) is highest: C where nothing holds of entries.

    closed : (batch..., D, D), the C, which are equal where whole matrices are tied; NaN where
        statistics are empty. There the old value stays.
    """
    count = -np.ones(closed.shape[:-2])
    return _solved(count, np.zeros_like(closed), closed, closed, old)


def settle_inverse(scatter: Floats, old: Floats) -> Floats:
    """Where logdet P - tr(P C) is highest: C^-1, except where it isn't definite or `old` is held.

    scatter : (batch..., D, D), the C. Where none is highest the old value stays.
    """
    scatter = np.broadcast_to(scatter, old.shape)
    closed = safe_inverse(scatter)
    if isinstance(old, Held):
        count = np.ones(scatter.shape[:-2])
        return _solved(count, scatter, np.zeros_like(scatter), closed, old)
    return _or_old(closed, old)


def matrix_quadratic(a: Floats, m: Floats, n: Floats, old: Floats) -> Floats:
    """Where a logdet S - tr(S M) - tr(S^-1 N) is highest, for M or N positive definite.

    a : (batch...), m, n : (batch..., D, D) symmetric. Where none is highest the old value stays.
    """
    closed = quadratic.matrix_quadratic(a, m, n)
    if isinstance(old, Held):
        return _solved(a, symmetric(m), symmetric(n), closed, old)
    return _or_old(closed, old)


def patterned(a: Floats, m: Floats, n: Floats, old: Floats) -> Floats:
    """Where a logdet S - tr(S M) - tr(S^-1 N) is highest over what constraints leave of S.

    a : (batch...), m, n : (batch..., D, D) symmetric, of which one may be 0. Tied matrices have one
    Q, the sum of theirs. Where statistics are empty the old value stays.
    """
    if not isinstance(old, Held):
        return matrix_quadratic(a, m, n, old)
    return _solved(a, symmetric(m), symmetric(n), None, old)


def _solved(a: Floats, m: Floats, n: Floats, closed: Floats | None, old: Held) -> Floats:
    """`closed` for the matrices that need no more; None where none has a closed form."""
    square = old.shape[-2:]
    stays = old.plain.reshape(-1, *square)
    found = np.array(stays)
    if closed is not None:
        given = np.broadcast_to(closed, old.shape).reshape(-1, *square)
        fixed = old.fixed().reshape(-1, *square)
        found = np.where(fixed | ~np.isfinite(given), stays, given)
    counts = np.broadcast_to(a, old.shape[:-2]).reshape(-1)
    plains, inverses = (np.broadcast_to(x, old.shape).reshape(-1, *square) for x in (m, n))
    for problems in old.rules().patterns(old.name):
        if closed is not None and problems.whole:
            continue
        at = problems.members
        terms = pattern.Terms(counts[at], plains[at], inverses[at])
        known = np.isfinite(terms.plain + terms.inverse).all(axis=(1, 2, 3))
        known &= (np.isfinite(terms.count) & (terms.count != 0.0)).all(axis=1)
        own, terms = problems.some(known), terms.some(known)
        start, good = pattern.inside(own, _near(terms, stays[own.members]))
        own, terms = own.some(good), terms.some(good)
        if len(own.members):
            found[own.members] = pattern.maximise(own, terms, start[good])
    return found.reshape(old.shape)


def _near(terms: pattern.Terms, old: Floats) -> Floats:
    """The old matrices; where they aren't numbers, diagonal ones in the unit of the statistics."""
    lost = np.asarray(~np.isfinite(old).all(axis=(1, 2, 3)))
    if not lost.any():
        return old
    eye = np.eye(old.shape[-1])
    count = np.abs(terms.count)[..., None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.where(terms.inverse.any(axis=(-1, -2), keepdims=True),
                          terms.inverse / count, count / terms.plain)  # fmt: skip
    unit = np.where(eye > 0.0, spread, 0.0)
    unit = np.where((eye > 0.0) & ~(np.isfinite(unit) & (unit > 0.0)), 1.0, unit)
    return np.where(lost[:, None, None, None], unit, old)


def _or_old(new: Floats, old: Floats) -> Floats:
    found: Floats = np.where(np.isfinite(new), new, old)
    return found
