"""Algebra of many small matrices at once: blocks (i, j, n) with the items last."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.gaussian_sharing import Index, compact

Floats = NDArray[np.float64]

_WIDE = 8  # from this size LAPACK, matrix by matrix, is quicker than steps over all items
_MANY = 300  # the same for products, in multiplications
LOST = 1e-14  # a pivot this much smaller than the diagonal was holds no digit
_ROWS = 500  # from so many items on, rows are better gone through one by one
_CALL = 2000.0  # what one more call of NumPy costs, in multiplications
_CHUNK = 131072  # numbers that stay in the cache


class NotPositive(Exception):
    """The matrix of an item isn't positive definite: found at one of its rows."""

    def __init__(self, item: int, row: int) -> None:
        super().__init__(item, row)
        self.item, self.row = item, row


def multiply(a: Floats, b: Floats) -> Floats:
    """Products item by item: (i, j, n) and (j, k, n) make (i, k, n)."""
    found: Floats
    if a.shape[1] == 1:
        found = a * b
    elif a.shape[2] == 1:
        found = (a[:, :, 0] @ b[:, :, 0])[:, :, None]
    elif a.shape[0] * a.shape[1] * b.shape[1] > _MANY:
        found = np.ascontiguousarray(
            (a.transpose(2, 0, 1) @ b.transpose(2, 0, 1)).transpose(1, 2, 0)
        )
    else:
        found = np.einsum("ijn,jkn->ikn", a, b)
    return found


def transposed(a: Floats) -> Floats:
    return a.swapaxes(0, 1)


def pick(a: Floats, index: Index | slice) -> Floats:
    """Some of the items (..., n), still last in memory: `a[..., index]` puts them first there."""
    found: Floats
    if isinstance(index, slice):
        found = a[..., index]
    elif a.flags.c_contiguous:
        found = a.take(index, axis=-1)
    elif len(index) < _ROWS:
        found = a[..., index]
    else:
        found = np.empty((*a.shape[:-1], len(index)))
        for i in np.ndindex(a.shape[:-1]):
            a[i].take(index, out=found[i], mode="clip")
    return found


class Classes:
    """Items sorted by class, so that the items of one class are next to each other."""

    def __init__(self, classes: Index, count: int) -> None:
        self.items = len(classes)
        self.count = count
        self.of = classes
        self.own = count == self.items  # each item is its own class
        self.bounds = np.searchsorted(classes, np.arange(count + 1))

    def pieces(self, each: int) -> list[tuple[slice, slice, Classes]]:
        """Pieces of items that fit in the cache, where classes can be cut: items, classes."""
        if self.own:
            return [(x, x, Classes(np.arange(x.stop - x.start), x.stop - x.start))
                    for x in chunks(self.items, each)]  # fmt: skip
        every = slice(0, self.count)
        if self.count == 1:
            return [(x, every, Classes(self.of[x], 1)) for x in chunks(self.items, each)]
        return [(slice(0, self.items), every, self)]

    def apply(self, a: Floats, x: Floats) -> Floats:
        """The matrix of its class times each item: (i, j, classes), (j, items) to (i, items)."""
        found: Floats
        if self.own:
            if a.shape[1] == 1:
                return a[:, 0] * x
            found = np.einsum("ijn,jn->in", a, x)
        elif self.count == 1:
            found = a[:, :, 0] @ x
        else:
            found = np.empty((a.shape[0], self.items))
            each = a.shape[0] * a.shape[1] * self.items / self.count
            if each > _CALL:
                for c in range(self.count):
                    here = slice(int(self.bounds[c]), int(self.bounds[c + 1]))
                    np.matmul(a[:, :, c], x[:, here], out=found[:, here])
            else:
                for here in chunks(self.items, a.shape[0] * a.shape[1]):
                    np.einsum("ijn,jn->in", pick(a, self.of[here]), x[:, here], out=found[:, here])
        return found

    def multiply(self, a: Floats, b: Floats) -> Floats:
        """The same for matrices: (i, j, classes) and (j, k, items) make (i, k, items)."""
        if self.own:
            return multiply(a, b)
        i, j = a.shape[:2]
        k = b.shape[1]
        if self.count == 1:
            return (a[:, :, 0] @ b.reshape(j, -1)).reshape(i, k, self.items)
        found = np.empty((i, k, self.items))
        if i * j * k * self.items / self.count > _CALL:
            for c in range(self.count):
                here = slice(int(self.bounds[c]), int(self.bounds[c + 1]))
                part = b[:, :, here].reshape(j, -1)
                found[:, :, here] = (a[:, :, c] @ part).reshape(i, k, -1)
        else:
            for here in chunks(self.items, i * (j + k)):
                found[:, :, here] = multiply(pick(a, self.of[here]), b[:, :, here])
        return found


def chunks(items: int, each: int) -> list[slice]:
    """Consecutive pieces of items, each with `each` numbers, that fit in the cache."""
    step = max(_CHUNK // max(each, 1), 64)
    return [slice(i, min(i + step, items)) for i in range(0, items, step)]


def inverse_factor(precision: Floats, scale: Floats) -> tuple[Floats, Floats]:
    """Inverses (d, d, n) of the lower Cholesky factors of (d, d, n); logs of their diagonal (d, n).

    Only the lower triangle is read. `scale` (d, n) is what the diagonal was made from: a pivot
    that is nothing but rounding error next to it counts as zero. Raises NotPositive.
    """
    d, _, n = precision.shape
    lower = np.zeros((d, d, n))
    floor = LOST * np.abs(scale)
    if d >= _WIDE or (n == 1 and d > 1):
        rows = precision.transpose(2, 0, 1)
        try:
            lower = np.ascontiguousarray(np.linalg.cholesky(rows).transpose(1, 2, 0))
        except np.linalg.LinAlgError:
            pass  # the steps below find where
        else:
            _check(np.einsum("iin->in", lower) ** 2, floor)
            return _invert(lower)
    left = precision.copy()
    for j in range(d):
        pivot = left[j, j]
        good = pivot > floor[j]
        if not good.all():
            raise NotPositive(int(np.argmin(good)), j)
        root = np.sqrt(pivot)
        lower[j, j] = root
        if j + 1 < d:
            column = left[j + 1 :, j] / root
            lower[j + 1 :, j] = column
            for i in range(j + 1, d):
                left[i:, i] -= column[i - j - 1 :] * column[i - j - 1]
    return _invert(lower)


def _check(pivots: Floats, floor: Floats) -> None:
    good = pivots > floor
    if not good.all():
        item = int(np.argmin(good.all(axis=0)))
        raise NotPositive(item, int(np.argmin(good[:, item])))


def _invert(lower: Floats) -> tuple[Floats, Floats]:
    """Inverses of lower triangles by forward substitution, row by row."""
    d, _, n = lower.shape
    found = np.zeros((d, d, n))
    for i in range(d):
        one = 1.0 / lower[i, i]
        found[i, i] = one
        if i:
            row = multiply(lower[i : i + 1, :i], found[:i, :i])
            found[i : i + 1, :i] = row * -one
    return found, np.log(np.einsum("iin->in", lower))


class Scatter:
    """Adds values of sources to targets: target[..., t] += weight * value[..., s], many (s, t)."""

    def __init__(self, sources: Index, targets: Index, weights: Floats | None = None) -> None:
        order: Index | slice = slice(None)
        layers = []
        self.size = len(sources)
        self._given = sources, targets, weights
        if self.size and not (np.diff(targets) > 0).all():
            order = np.argsort(targets, kind="stable")
        s, t = sources[order], targets[order]
        w = None if weights is None or (weights == 1.0).all() else weights[order]
        head = np.flatnonzero(np.append(True, t[1:] != t[:-1])) if self.size else t
        lengths = np.diff(np.append(head, self.size))
        self._sums: tuple[Index | slice, Floats | None, Index, Index | slice] | None = None
        if self.size and int(lengths.max()) > 4:
            self._sums = compact(s), w, head, compact(t[head])
        elif self.size:
            place = np.arange(self.size) - np.repeat(head, lengths)
            for i in range(int(lengths.max())):
                here = place == i
                layers.append((compact(s[here]), None if w is None else w[here], compact(t[here])))
        self._layers = layers

    def turned(self) -> Scatter:
        """The same pairs the other way, from targets to sources."""
        sources, targets, weights = self._given
        return Scatter(targets, sources, weights)

    def add(self, out: Floats, values: Floats, sign: float = 1.0) -> None:
        """Adds (or subtracts, sign -1) values (..., sources) to out (..., targets)."""
        if self._sums is not None:
            sources, weight, head, targets = self._sums
            found = pick(values, sources)
            if weight is not None:
                found = found * weight
            self._put(out, targets, np.add.reduceat(found, head, axis=-1), sign)
        for sources, weight, targets in self._layers:
            found = pick(values, sources)
            self._put(out, targets, found if weight is None else found * weight, sign)

    @staticmethod
    def _put(out: Floats, targets: Index | slice, values: Floats, sign: float) -> None:
        if not isinstance(targets, slice) and len(targets) >= _ROWS:
            for i in np.ndindex(out.shape[:-1]):
                row = out[i]
                row[targets] = row[targets] + sign * values[i]
        elif sign > 0.0:
            out[..., targets] += values
        else:
            out[..., targets] -= values
