"""Linear algebra of small symmetric matrices, many at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

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
    return (x[..., 0] * scale).reshape(right.shape)


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
