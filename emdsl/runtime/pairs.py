"""Products of pairs of rows: all d <= e of x_d x_e, which are not written out where many."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MANY = 32  # rows of which the products of pairs are not written out
_STRIP = 16  # rows of such products that are taken at once


@functools.cache
def upper(d: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row and column indices of the upper triangle, diagonal included."""
    return np.triu_indices(d)


def fold(matrix: Floats) -> Floats:
    """Coefficients (..., D, D) of x_d x_e as those of the pairs d <= e: off-diagonals add."""
    i, j = upper(matrix.shape[-1])
    both = matrix[..., i, j] + matrix[..., j, i]
    both[..., i == j] *= 0.5
    return both


def unfold(pairs: Floats, d: int) -> Floats:
    """Statistics (..., D (D+1) / 2) of the pairs d <= e as a symmetric (..., D, D)."""
    i, j = upper(d)
    full = np.empty((*pairs.shape[:-1], d, d))
    full[..., i, j] = pairs
    full[..., j, i] = pairs
    return full


def pairs(x: Floats) -> Any:
    """Products of rows (D, B) -> (D (D+1) / 2, B), one for each pair d <= e.

    Of many rows they are not written out: `Pairs` stands for them.
    """
    return Pairs(x) if x.shape[0] >= _MANY else _products(x)


def _products(x: Floats) -> Floats:
    d = x.shape[0]
    out = np.empty((d * (d + 1) // 2, *x.shape[1:]))
    start = 0
    for i in range(d):  # each product is a contiguous run: faster than fancy indexing
        stop = start + d - i
        np.multiply(x[i], x[i:], out=out[start:stop])
        start = stop
    return out


class Pairs:
    """The products of all pairs of rows of x (D, B), in place of D (D+1) / 2 rows.

        sum_{d <= e} c_de x_d x_e = sum_d x_d (sum_{e >= d} c_de x_e)

    is a product with x alone, by strips of d. So are the products' expected sums.
    """

    __slots__ = ("edges", "flat", "kept", "shape", "x")
    __array_ufunc__ = None  # array * Pairs is __rmul__'s

    def __init__(self, x: Floats) -> None:
        d = x.shape[0]
        self.x = x
        self.kept = d
        self.shape = (d * (d + 1) // 2, *x.shape[1:])
        strips = -(-d // _STRIP)
        i, j = upper(d)
        self.flat = i * d + j  # where the pairs are in a D by D matrix
        self.edges = [d * i // strips for i in range(strips + 1)]

    def products(self) -> Floats:
        return _products(self.x)

    def __mul__(self, other: Any) -> Any:
        return self.products() * other

    __rmul__ = __mul__

    def strips(self, c: Floats) -> list[Floats]:
        """Coefficients (C, D (D+1) / 2) as matrices (C * rows, columns), one for each strip."""
        d = len(self.x)
        square = np.zeros((len(c), d * d))
        square[:, self.flat] = c
        full = square.reshape(len(c), d, d)
        return [full[:, i:j, i:].reshape(-1, d - i) for i, j in itertools.pairwise(self.edges)]

    def combined(self, strips: list[Floats]) -> Floats:
        """Coefficients, in strips, times the products -> (C, B)."""
        x = self.x
        parts = []
        for (start, stop), strip in zip(itertools.pairwise(self.edges), strips, strict=True):
            inner = (strip @ x[start:]).reshape(-1, stop - start, x.shape[1])
            parts.append(np.einsum("cdb,db->cb", inner, x[start:stop]))
        return functools.reduce(np.add, parts)

    def expected(self, posterior: Floats) -> Floats:
        """Posteriors (C, B) -> expected sums of the products (C, D (D+1) / 2)."""
        x, states = self.x, len(posterior)
        full = np.zeros((states, len(x), len(x)))
        for start, stop in itertools.pairwise(self.edges):
            weighed = posterior[:, None, :] * x[start:stop]
            strip = weighed.reshape(-1, x.shape[1]) @ x[start:].T
            full[:, start:stop, start:] = strip.reshape(states, stop - start, -1)
        found: Floats = np.take(full.reshape(states, -1), self.flat, axis=1)
        return found


def upper_rows(products: Floats) -> Floats:
    """The upper triangle's rows of symmetric products (D, D, B)."""
    i, j = upper(products.shape[0])
    return products[i, j]
