"""Newton's direction uphill, where the negative Hessian need not be positive definite."""

from __future__ import annotations

import numpy as np

from emdsl.runtime.objective import Floats

_SINGULAR = 2e-15  # of the largest eigenvalue, after scaling to a unit diagonal
_STILL = 1e-8  # a scaled gradient (standard deviations) that counts as none in a flat direction


def scaling(curvature: Floats) -> Floats:
    """1 / sqrt |diagonal|, (B, n): Jacobi's scaling; 1 where the diagonal is zero."""
    diagonal = np.abs(np.diagonal(curvature, axis1=-2, axis2=-1))
    found: Floats = 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    return found


def direction(curvature: Floats, gradient: Floats) -> Floats:
    """Steps uphill, (B, n), of B problems.

    curvature : the negative Hessians, (B, n, n), finite; gradient : (B, n), finite.

    Newton's step where the curvature is positive definite. Elsewhere, in the basis of the scaled
    curvature's eigenvectors: a negative eigenvalue counts by its size, so that a saddle is left
    uphill; along a flat direction there is no step where there is no gradient either (least
    norm), and one along the gradient otherwise.
    """
    scale = scaling(curvature)
    a = curvature * scale[:, :, None] * scale[:, None, :]
    g = gradient * scale
    empty = np.diagonal(a, axis1=-2, axis2=-1) == 0.0
    if empty.any():  # frozen entries, and ones the problem doesn't depend on
        where, entry = np.nonzero(empty)
        blank = np.logical_not(a[where, entry].any(axis=-1))
        a[where[blank], entry[blank], entry[blank]] = 1.0
    if a.shape[-1] == 1 and (a > 0.0).all():
        return g / a[..., 0] * scale
    try:
        factor = np.linalg.cholesky(a)
        least = np.diagonal(factor, axis1=-2, axis2=-1).min(axis=-1, initial=1.0) ** 2
        if least.min(initial=1.0) > 100.0 * _SINGULAR:
            return np.linalg.solve(a, g[..., None])[..., 0] * scale
    except np.linalg.LinAlgError:
        pass
    return _by_eigenvalues(a, g) * scale


def _by_eigenvalues(a: Floats, g: Floats) -> Floats:
    values, vectors = np.linalg.eigh(a)
    along = (np.swapaxes(vectors, -1, -2) @ g[..., None])[..., 0]
    size = np.abs(values)
    flat = size <= _SINGULAR * a.shape[-1] * size.max(axis=-1, keepdims=True)
    step = along / np.where(flat, 1.0, size)
    step = np.where(flat & (np.abs(along) <= _STILL), 0.0, step)
    return (vectors @ step[..., None])[..., 0]
