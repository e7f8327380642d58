"""Linear algebra of small symmetric matrices, many at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SINGULAR = 2e-15  # of the largest eigenvalue, in systems of unit diagonal: rounding
_WATCHED = 300  # unknowns of a system that is looked at
_HALVED = 48  # rows of a triangle from which its halves are inverted


def inverse(matrix: Floats) -> Floats:
    """Inverses of symmetric positive definite matrices (..., D, D), by Cholesky.

    Raises numpy.linalg.LinAlgError where one isn't positive definite.
    """
    factor = np.linalg.inv(np.linalg.cholesky(matrix))
    found: Floats = np.swapaxes(factor, -1, -2) @ factor
    return found


def lower_inverse(factor: Floats) -> Floats:
    """Inverses of lower triangular matrices (..., D, D).

    Halved as [[A, 0], [B, C]]^-1 = [[A^-1, 0], [-C^-1 B A^-1, C^-1]] (Golub and Van Loan 2013,
    section 3.1), so that nearly all of it is matrix products; `inv` takes ten times as long.
    """
    size = factor.shape[-1]
    if size < _HALVED:
        return np.asarray(np.linalg.inv(factor), dtype=np.float64)
    half = size // 2
    found = np.zeros_like(factor)
    first = found[..., :half, :half] = lower_inverse(factor[..., :half, :half])
    last = found[..., half:, half:] = lower_inverse(factor[..., half:, half:])
    found[..., half:, :half] = -(last @ (factor[..., half:, :half] @ first))
    return found


def logdet(matrix: Floats) -> Floats:
    """Log determinants of symmetric positive definite matrices (..., D, D), by Cholesky."""
    diagonal = np.diagonal(np.linalg.cholesky(matrix), axis1=-2, axis2=-1)
    found: Floats = 2.0 * np.log(diagonal).sum(axis=-1)
    return found


def symmetric(matrix: Floats) -> Floats:
    """The symmetric part of matrices (..., D, D): rounding leaves sums of squares a bit off."""
    return 0.5 * (matrix + np.swapaxes(matrix, -1, -2))


class Flat(NamedTuple):
    """A direction that one of the systems solved says nothing of."""

    call: int  # which of the calls of `solve`, from 0
    at: tuple[int, ...]  # which system of its batch
    direction: Floats  # (m,), in the solution's own units


class Watch:
    """What `solve` is watched for: flat directions; or has to add to one of its solutions."""

    def __init__(self, added: Flat | None = None) -> None:
        self.added = added
        self.calls = 0
        self.flat: list[Flat] = []

    def see(self, scaled: Floats, scale: Floats, solution: Floats) -> None:
        """Matrices of unit diagonal (batch..., m, m), their scale and their x, (batch..., m)."""
        if self.added is not None and self.added.call == self.calls:
            solution[self.added.at] += self.added.direction
        elif self.added is None and 0 < scaled.shape[-1] <= _WATCHED:
            for at in np.argwhere(_singular(scaled)):
                place = tuple(int(i) for i in at)
                ways = _flat(scaled[place], scale[place])
                self.flat += [Flat(self.calls, place, way) for way in ways]
        self.calls += 1


def _singular(scaled: Floats) -> NDArray[np.bool_]:
    """Which matrices of a batch have an eigenvalue that is rounding; none that is all zero."""
    known = np.asarray(np.isfinite(scaled).all(axis=(-1, -2)) & scaled.any(axis=(-1, -2)))
    sizes = np.abs(np.linalg.eigvalsh(np.where(known[..., None, None], scaled, 0.0)))
    found: NDArray[np.bool_] = sizes.min(axis=-1) <= _SINGULAR * sizes.max(axis=-1)
    return found & known


def _flat(scaled: Floats, scale: Floats) -> list[Floats]:
    """Directions of eigenvalues that are rounding, the largest entry of each 1."""
    values, vectors = np.linalg.eigh(scaled)
    found = vectors.T[np.abs(values) <= _SINGULAR * np.abs(values).max()] * scale
    return [v / np.abs(v).max() for v in found]


_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watched(by: Watch) -> Iterator[Watch]:
    """Have every call of `solve` seen."""
    token = _watch.set(by)
    try:
        yield by
    finally:
        _watch.reset(token)


def solve(matrix: Floats, right: Floats, axes: int) -> Floats:
    """Solve matrix @ x = right for symmetric systems, scaled to unit diagonal first.

    matrix : (batch..., m..., m...), right : (batch..., m...), `axes` the number of m axes.
    A singular system gets its least-squares solution of least norm.
    """
    batch = right.shape[: right.ndim - axes]
    size = int(np.prod(right.shape[right.ndim - axes :], dtype=np.int64))
    a = matrix.reshape(*batch, size, size)
    b = right.reshape(*batch, size)
    diagonal = np.abs(np.diagonal(a, axis1=-2, axis2=-1))
    scale = 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    a = a * scale[..., :, None] * scale[..., None, :]
    b = (b * scale)[..., None]
    try:
        x = np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        x = np.linalg.pinv(a, hermitian=True) @ b
    found = x[..., 0] * scale
    watch = _watch.get()
    if watch is not None:
        watch.see(a, scale, found)
    return found.reshape(right.shape)


def safe_inverse(matrix: Floats) -> Floats:
    """Inverses of symmetric matrices (..., D, D); NaN, for `settle`, where one isn't definite."""
    try:
        return inverse(matrix)
    except np.linalg.LinAlgError:
        flat = matrix.reshape(-1, *matrix.shape[-2:])
        out = np.full_like(flat, np.nan)
        for i, one in enumerate(flat):
            try:
                out[i] = inverse(one)
            except np.linalg.LinAlgError:
                continue
        return out.reshape(matrix.shape)
