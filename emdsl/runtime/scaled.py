"""Rows times one number for each column, which are not written out where they are many."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MANY = 4  # rows from which they are not written out


def scaled(x: Floats, scale: Floats) -> Any:
    """x (F, B) * scale (B,)."""
    return Scaled(x, scale) if x.shape[0] >= _MANY else x * scale


class Scaled:
    """Feature rows x (F, B) * scale (B,): a product with them is one with x."""

    __slots__ = ("kept", "scale", "shape", "x")
    __array_ufunc__ = None

    def __init__(self, x: Floats, scale: Floats) -> None:
        self.x, self.scale = x, scale
        self.shape = x.shape
        self.kept = 1

    def masked(self, observed: NDArray[np.bool_]) -> Scaled:
        """With zeros in the columns that are missing."""
        return Scaled(self.x, np.where(observed, self.scale, 0.0))

    def strips(self, c: Floats) -> Floats:
        """Coefficients (C, F) in the form that `combined` takes."""
        return c

    def combined(self, c: Floats) -> Floats:
        """Coefficients (C, F) times the rows -> (C, B)."""
        found: Floats = (c @ self.x) * self.scale
        return found

    def expected(self, posterior: Floats) -> Floats:
        """Posteriors (C, B) -> expected sums (C, F)."""
        found: Floats = (posterior * self.scale) @ self.x.T
        return found
