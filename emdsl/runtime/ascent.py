"""Newton's direction uphill, where the negative Hessian need not be positive definite."""

from __future__ import annotations

from typing import Any

import numpy as np

from emdsl.runtime.linear import lower_inverse
from emdsl.runtime.objective import Floats

_SINGULAR = 2e-15  # of the largest eigenvalue, after scaling to a unit diagonal
_WIDE = 48  # unknowns from which a factor's inverse is quicker than what solves by LU
_STILL = 1e-8  # a scaled gradient (standard deviations) that counts as none in a flat direction


def scaling(curvature: Floats) -> Floats:
    """1 / sqrt |diagonal|, (B, n): Jacobi's scaling; 1 where the diagonal is zero."""
    diagonal = curvature.diagonal(axis1=-2, axis2=-1)
    if not diagonal.min(initial=1.0) > 0.0:
        diagonal = np.abs(diagonal)
        diagonal = np.where(diagonal > 0.0, diagonal, 1.0)
    found: Floats = 1.0 / np.sqrt(diagonal)
    return found


def direction(curvature: Floats, gradient: Floats) -> Floats:
    """Steps uphill, (B, n), of B problems; see `Uphill`."""
    return Uphill(curvature).step(gradient)


class Uphill:
    """Newton's directions by one curvature, for one gradient after another.

    curvature : the negative Hessians, (B, n, n), finite.

    Newton's step where the curvature is positive definite. Elsewhere, in the basis of the scaled
    curvature's eigenvectors: a negative eigenvalue counts by its size, so that a saddle is left
    uphill; along a flat direction there is no step where there is no gradient either (least
    norm), and one along the gradient otherwise.
    """

    def __init__(self, curvature: Floats) -> None:
        scale = self.scale = scaling(curvature)
        a = self.scaled = curvature * scale[:, :, None] * scale[:, None, :]
        empty = a.diagonal(axis1=-2, axis2=-1) == 0.0
        if empty.any():  # frozen entries, and ones the problem doesn't depend on
            where, entry = np.nonzero(empty)
            blank = np.logical_not(a[where, entry].any(axis=-1))
            a[where[blank], entry[blank], entry[blank]] = 1.0
        self.factor: Floats | None = None
        self.definite = self._is_definite()
        self.inverse: Floats | None = None  # of the factor, where there is one, or of all
        self.used = False
        self.eigen = None if self.definite else np.linalg.eigh(a)

    def _is_definite(self) -> bool:
        if self.scaled.shape[-1] == 1:
            return bool((self.scaled > 0.0).all())
        try:
            factor: Floats = np.asarray(np.linalg.cholesky(self.scaled), dtype=np.float64)
        except np.linalg.LinAlgError:
            return False
        self.factor = factor
        least = factor.diagonal(axis1=-2, axis2=-1).min(initial=1.0) ** 2
        return bool(least > 100.0 * _SINGULAR)

    def step(self, gradient: Floats) -> Floats:
        """The steps (B, n) along a gradient (B, n), finite."""
        g = gradient * self.scale
        a = self.scaled
        found: Any
        if self.eigen is not None:
            found = _by_eigenvalues(*self.eigen, g)
        elif a.shape[-1] == 1:
            found = g / a[..., 0]
        elif self.factor is not None and a.shape[-1] >= _WIDE:
            if self.inverse is None:
                self.inverse = lower_inverse(self.factor)
            found = np.swapaxes(self.inverse, -1, -2) @ (self.inverse @ g[..., None])
            found = found[..., 0]
        elif not self.used:
            self.used = True
            found = np.linalg.solve(a, g[..., None])[..., 0]
        else:
            if self.inverse is None:
                self.inverse = np.asarray(np.linalg.inv(a), dtype=np.float64)
            found = (self.inverse @ g[..., None])[..., 0]
        return np.asarray(found * self.scale)


def _by_eigenvalues(values: Floats, vectors: Floats, g: Floats) -> Floats:
    along = (np.swapaxes(vectors, -1, -2) @ g[..., None])[..., 0]
    size = np.abs(values)
    flat = size <= _SINGULAR * values.shape[-1] * size.max(axis=-1, keepdims=True)
    step = along / np.where(flat, 1.0, size)
    step = np.where(flat & (np.abs(along) <= _STILL), 0.0, step)
    found: Floats = (vectors @ step[..., None])[..., 0]
    return found
