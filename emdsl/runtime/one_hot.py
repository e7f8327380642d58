"""Feature rows with one nonzero of many in every column: an index's indicators, not written out.

coefficients (C, V) @ rows (V, B) is a gather, and posterior (C, B) @ rows.T a scatter-add.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# rows up to which a product with them all costs no more than a gather: some, and more for each
# nonzero of a column (measured with 2 to 50 states and 1 to 20 nonzeros)
_FEW = 16
_EACH = 7
_SPARSE = 10  # states from which on SciPy's scatter-add is the faster one


def one_hot(dims: tuple[int, ...], scale: Any, *places: Any) -> Any:
    """Rows (dims..., B) that are `scale` at the places and zero elsewhere.

    scale : numbers, broadcast to (inner..., B).
    places : for each of `dims`, where the nonzero is: integers, broadcast to (inner..., B). An
        inner axis has all its values for places, `np.arange(J)[:, None]`, and so one nonzero for
        each of them. A place that its dimension doesn't have is nowhere: a column of zeros.

    Written out where the nonzeros are not few; else a `OneHot`, of prod(dims) rows.
    """
    flat, known = _numbered(dims, places)
    if known is not None:
        scale = np.where(known, scale, 0.0)
    shape = np.broadcast_shapes(flat.shape, np.shape(scale))
    index = np.broadcast_to(flat, shape).reshape(-1, shape[-1])
    if np.ndim(scale):
        scale = np.broadcast_to(scale, shape).reshape(index.shape).astype(np.float64, copy=False)
    elif scale == 1.0:
        scale = None
    found = OneHot(index, math.prod(dims), scale)
    if found.shape[0] < _FEW + _EACH * len(index):
        return found.written_out().reshape(*dims, -1)
    return found


def _numbered(
    dims: tuple[int, ...], places: tuple[Any, ...]
) -> tuple[NDArray[np.intp], NDArray[np.bool_] | None]:
    """Places on several dimensions as one number; which there are, None where that is all."""
    flat = np.zeros((), dtype=np.intp)
    known: NDArray[np.bool_] | None = None
    for given, size in zip(places, dims, strict=True):
        place = np.asarray(given).astype(np.intp, copy=False)
        if place.size and not (0 <= place.min() and place.max() < size):
            inside = (place >= 0) & (place < size)
            known = inside if known is None else known & inside
            place = np.where(inside, place, 0)
        flat = flat * size + place if flat.ndim else place
    return flat, known


def by_place(dims: tuple[int, ...], weights: Floats, count: int, *given: Any) -> Floats:
    """Products of rows added up at the places that each row has: sum_n [g = place[n]] w[n] v[n].

    weights : (w..., rows...), with `count` axes of rows, of which the last is the places'.
    given : for each of `dims` the places, integers (B,), then none, one or two factors, (v..., B)
        each. A place that its dimension doesn't have is nowhere. Places (rows...) are those of all
        elements of a row, and there are no factors then.

    Returns (w..., v..., dims...).
    """
    places, factors = given[: len(dims)], given[len(dims) :]
    flat, known = _numbered(dims, places)
    if flat.ndim > 1:
        weights = weights.reshape(*weights.shape[:-count], -1)
        flat, known = flat.reshape(-1), None if known is None else known.reshape(-1)
    elif count > 1:
        weights = weights.sum(axis=tuple(range(-count, -1)))
    width = weights.shape[-1]
    rows = weights.reshape(-1, width)
    if known is not None:
        rows = np.where(known, rows, 0.0)
    flat, size = np.broadcast_to(flat, (width,)), math.prod(dims)
    tables = [f.reshape(-1, width) for f in factors]
    alike = len(factors) == 2 and factors[0] is factors[1]
    out = np.empty((len(rows), *map(len, tables), size))
    for sums, row in zip(out, rows, strict=True):
        _add_up(flat, row, tables, alike, sums)
    own = (n for f in factors for n in f.shape[:-1])
    return out.reshape(*weights.shape[:-1], *own, *dims)


def _add_up(
    flat: NDArray[np.intp], row: Floats, tables: list[Floats], alike: bool, sums: Floats
) -> None:
    """The sums of a row times each of the tables' rows; of two that are alike only half."""
    if not tables:
        sums[...] = np.bincount(flat, row, len(sums))
        return
    for i, value in enumerate(tables[0]):
        rest = [t[i:] if alike else t for t in tables[1:]]
        _add_up(flat, row * value, rest, False, sums[i, i:] if alike else sums[i])
        if alike:
            sums[i:, i] = sums[i, i:]


class OneHot:
    """Rows (F, B) with the nonzeros scale[m, b] in row index[m, b] of column b, in place of them.

    index (M, B), all different in a column; `scale` (M, B), a number, or None for ones.
    """

    __slots__ = ("index", "kept", "matrix", "scale", "shape")
    __array_ufunc__ = None

    def __init__(self, index: NDArray[np.intp], rows: int, scale: Any = None) -> None:
        self.index = np.ascontiguousarray(index)
        self.scale = scale
        self.shape = (rows, index.shape[1])
        self.kept = 2 * len(index) + (len(index) if np.ndim(scale) else 0)
        self.matrix: Any = None  # the columns as a sparse matrix's rows, once they are wanted

    def written_out(self) -> Floats:
        out = np.zeros(self.shape)
        out[self.index, np.arange(self.shape[1])] = 1.0 if self.scale is None else self.scale
        return out

    def masked(self, observed: NDArray[np.bool_]) -> OneHot:
        """Zeros where not observed: columns (B,), or nonzeros (inner..., B)."""
        seen = np.reshape(observed, (-1, self.shape[1]))
        scale = np.where(seen, 1.0 if self.scale is None else self.scale, 0.0)
        return OneHot(self.index, self.shape[0], np.broadcast_to(scale, self.index.shape))

    def _columns(self) -> Any:
        if self.matrix is None:
            from scipy import sparse

            nonzeros, width = self.index.shape
            scale = 1.0 if self.scale is None else self.scale
            self.matrix = sparse.csr_matrix(
                (
                    np.broadcast_to(scale, self.index.shape).T.ravel(),
                    self.index.T.ravel(),
                    np.arange(0, nonzeros * width + 1, nonzeros),
                ),
                shape=self.shape[::-1],
            )
        return self.matrix

    def strips(self, c: Floats) -> Floats:
        """Coefficients (C, F) as `combined` takes them."""
        return np.ascontiguousarray(c if len(self.index) == 1 else c.T)

    def combined(self, c: Floats) -> Floats:
        """Coefficients from `strips` times the rows -> (C, B)."""
        found: Floats
        if len(self.index) > 1:
            found = np.ascontiguousarray((self._columns() @ c).T)
            return found
        found = np.take(c, self.index[0], axis=1, mode="clip")  # all are inside
        if self.scale is not None:
            found *= self.scale
        return found

    def expected(self, posterior: Floats) -> Floats:
        """Posteriors (C, B) -> expected sums (C, F)."""
        rows, found = self.shape[0], np.empty((len(posterior), self.shape[0]))
        if len(self.index) > 1 or len(posterior) >= _SPARSE:
            found[...] = (self._columns().T @ posterior.T).T
            return found
        scaled = posterior if self.scale is None else posterior * self.scale
        for sums, weights in zip(found, scaled, strict=True):
            sums[...] = np.bincount(self.index[0], weights, rows)
        return found
