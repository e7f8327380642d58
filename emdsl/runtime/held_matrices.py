"""Updates of positive definite matrices, also where constraints hold of single entries.

Matrices of which nothing is said, or that are held or tied as wholes, have their closed form; those
with entries that are held, tied, bounded or in equations are `patterned`, and start from their old
values. Where limits are all that is said, and the closed form meets them, it is the maximum.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.held import Held
from emdsl.runtime.linear import Floats, safe_inverse, symmetric
from emdsl.runtime.matrix_quadratic import matrix_quadratic as quadratic_root
from emdsl.runtime.patterned import Pattern, Terms, inside, maximise

_FAR = 5.0


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
    closed = quadratic_root(a, m, n)
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
        terms = Terms(counts[at], plains[at], inverses[at])
        known = np.isfinite(terms.plain + terms.inverse).all(axis=(1, 2, 3))
        known &= (np.isfinite(terms.count) & (terms.count != 0.0)).all(axis=1)
        own, terms = problems.some(known), terms.some(known)
        best, met = _met(own, terms)
        found[own.members[met]] = best[met]
        own, terms = own.some(~met), terms.some(~met)
        start, good = _begun(own, terms, stays[own.members])
        own, terms = own.some(good), terms.some(good)
        if len(own.members):
            found[own.members] = maximise(own, terms, start[good])
    return found.reshape(old.shape)


def _met(own: Pattern, terms: Terms) -> tuple[Floats, NDArray[np.bool_]]:
    """The highest S of all matrices, and where limits, which are all that holds, are met by it."""
    none = np.zeros(len(own.members), dtype=np.bool_)
    if own.limits is None or not own.every or not len(own.members):
        return own.offset, none
    sums = terms.count.sum(axis=1), terms.plain.sum(axis=1), terms.inverse.sum(axis=1)
    root = quadratic_root(*sums)
    best = np.broadcast_to(root[:, None], own.offset.shape)
    given = np.where(np.isfinite(best), best, np.nan)
    numbers = replace(own, limits=None).numbers(given)
    with np.errstate(invalid="ignore"):
        return best, own.limits.met(numbers)


def _begun(own: Pattern, terms: Terms, old: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Where to start: the old matrices, or diagonal ones where those are far off and worse.

    Far off is another unit than the statistics', from which many steps are halved.
    """
    eye = np.eye(old.shape[-1])
    count = np.abs(terms.count)[..., None, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.where(terms.inverse.any(axis=(-1, -2), keepdims=True),
                          terms.inverse / count, count / terms.plain)  # fmt: skip
    usable = np.isfinite(spread) & (spread > 0.0)
    unit = np.where(eye > 0.0, np.where(usable, spread, 1.0), 0.0)
    lost = np.asarray(~np.isfinite(old).all(axis=(1, 2, 3)))
    start, good = inside(own, np.where(lost[:, None, None, None], unit, old))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(eye > 0.0, unit / start, 1.0)
    far = good & ((ratio > _FAR) | (ratio < 1.0 / _FAR)).any(axis=(1, 2, 3)) & ~lost
    at = np.flatnonzero(far)
    if len(at):
        other, fine = inside(own.some(at), unit[at])
        some = terms.some(at)
        better = fine & (some.value(other)[0] > some.value(start[at])[0])
        start[at[better]] = other[better]
    return start, good


def _or_old(new: Floats, old: Floats) -> Floats:
    found: Floats = np.where(np.isfinite(new), new, old)
    return found
