"""Feature rows and their coefficients: stacking, cutting, and products of pairs of rows.

coefficients (C, F) @ rows (F, B)  and  posterior (C, B) @ rows.T
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MANY = 32  # rows of which the products of pairs are not written out
_STRIP = 16  # rows of such products that are taken at once


def expected(posterior: Floats, rows: Any) -> Floats:
    """Expected sums of features: posterior (C, B) times rows (F, B) -> (C, F)."""
    if isinstance(rows, Wide):
        return rows.expected(posterior)
    found: Floats
    if len(posterior) < 12:
        found = posterior @ rows.T
        return found
    # the same product, as BLAS is fastest at it: where it is small, with what is shorter copied
    # so that rows follow rows
    if posterior.shape[0] * rows.size < 1_000_000:
        posterior = np.ascontiguousarray(posterior.T).T
    found = (rows @ posterior.T).T
    return found


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

    __slots__ = ("edges", "flat", "shape", "x")
    __array_ufunc__ = None  # array * Pairs is __rmul__'s

    def __init__(self, x: Floats) -> None:
        d = x.shape[0]
        self.x = x
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


class Wide:
    """Feature rows (F, B) of which some are `Pairs`: multiplies as the array would."""

    __slots__ = ("kept", "parts", "shape")
    __array_ufunc__ = None

    def __init__(self, parts: list[Floats | Pairs]) -> None:
        self.parts = parts
        self.shape = (sum(p.shape[0] for p in parts), parts[0].shape[1])
        self.kept = sum(len(p.x) if isinstance(p, Pairs) else len(p) for p in parts)

    def _cuts(self) -> Iterator[tuple[Floats | Pairs, slice]]:
        start = 0
        for part in self.parts:
            yield part, slice(start, start := start + part.shape[0])

    def strips(self, c: Floats) -> list[Any]:
        """Coefficients (C, F) cut up by part, those of pairs into strips."""
        return [p.strips(c[:, w]) if isinstance(p, Pairs) else c[:, w] for p, w in self._cuts()]

    def combined(self, pieces: list[Any]) -> Floats:
        """Coefficients, cut up by `strips`, times the rows -> (C, B)."""
        return functools.reduce(
            np.add,
            [
                part.combined(piece) if isinstance(part, Pairs) else piece @ part
                for part, piece in zip(self.parts, pieces, strict=True)
            ],
        )

    def __rmatmul__(self, c: Floats) -> Floats:
        if c.ndim == 1:
            found: Floats = (c[None] @ self)[0]
            return found
        return self.combined(self.strips(c))

    def expected(self, posterior: Floats) -> Floats:
        """Posteriors (C, B) -> expected sums (C, F)."""
        return np.concatenate(
            [
                part.expected(posterior) if isinstance(part, Pairs) else posterior @ part.T
                for part in self.parts
            ],
            axis=1,
        )

    def is_impossible(self) -> NDArray[np.bool_]:
        """Which columns (B,) have a feature of minus infinity."""
        found = np.zeros(self.shape[1], dtype=np.bool_)
        for part in self.parts:
            if not isinstance(part, Pairs):
                found |= np.isneginf(part).any(axis=0)
        return found


def upper_rows(products: Floats) -> Floats:
    """The upper triangle's rows of symmetric products (D, D, B)."""
    i, j = upper(products.shape[0])
    return products[i, j]


def rows(*parts: Any, width: int) -> Any:
    """Stack feature arrays (..., B) into one (F, B); a number is a constant row, None no row."""
    blocks: list[Any] = []
    for part in parts:
        if isinstance(part, Pairs):
            blocks.append(part)
        elif part is not None:
            row = np.full((1, width), part) if np.ndim(part) == 0 else np.reshape(part, (-1, width))
            blocks.append(row.astype(np.float64, copy=False))
    if not blocks:
        return np.zeros((0, width))
    if not any(isinstance(block, Pairs) for block in blocks):
        return np.concatenate(blocks, axis=0) if len(blocks) != 1 else blocks[0]
    wide: list[Any] = []
    for is_pairs, group in itertools.groupby(blocks, lambda block: isinstance(block, Pairs)):
        run = list(group)
        wide += run if is_pairs else [np.concatenate(run)]
    return Wide(wide)


def columns(states: int, *parts: tuple[Any, int]) -> Floats:
    """Stack coefficient arrays (states..., features...) into one (C, F).

    Each part is an array and the number of its leading state axes; None is no column.
    """
    out = []
    for part, lead in parts:
        if part is not None:
            features = math.prod(np.shape(part)[lead:])
            out.append(np.reshape(part, (states, features)))
    return np.concatenate(out, axis=1) if out else np.zeros((states, 0))


def cut(
    sums: Floats,
    states: tuple[int, ...],
    complete: Any,
    *features: tuple[tuple[int, ...], bool, str | None],
) -> list[Floats]:
    """Undo `columns`: the blocks of (C, F) sums, (states..., features...) each.

    A feature is (dimensions, symmetric, the data it is the mask of or None). The mask of complete
    data has no columns: its sums are those of the constant, which comes first.
    """
    sums = np.reshape(sums, (*states, -1))
    found: list[Floats] = []
    start = 0
    for dims, symmetric, mask in features:
        if mask is not None and complete[mask]:
            constant = found[0].reshape((*states, *(1,) * len(dims)))
            found.append(np.broadcast_to(constant, (*states, *dims)))
            continue
        width = dims[0] * (dims[0] + 1) // 2 if symmetric else math.prod(dims)
        part = sums[..., start : start + width]
        start += width
        found.append(unfold(part, dims[0]) if symmetric else part.reshape((*states, *dims)))
    return found


class Strips:
    """Coefficients cut up for `Wide` rows once, and multiplied with those of every block."""

    __slots__ = ("pieces",)

    def __init__(self, coefficients: Floats, rows: Wide) -> None:
        self.pieces = rows.strips(coefficients)

    def __matmul__(self, rows: Wide) -> Floats:
        return rows.combined(self.pieces)


def ready(coefficients: Floats, rows: Any) -> Any:
    """Coefficients in the form that multiplies rows like these fastest, block after block."""
    return Strips(coefficients, rows) if isinstance(rows, Wide) else coefficients
