"""Expected sums of features times functions of coupled normal latents, without any row's own.

With m the means and C the covariances that rows see, the sums over rows of features phi are

    sum phi_r u_p            =  sum over elements of  m_e (sum of phi_r over the rows that see e)
    sum phi_r u_p u_q'       =  sum phi_r m_p m_q'  +  sum over patterns of  phi (sum of C)

Features are the same in all iterations, so what is in brackets of the first line is added up once;
the sums of C by pattern, rows with equal features, are what `gaussian_totals` gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.feature_columns import at_columns
from emdsl.runtime.gaussian_blocks import chunks, pick
from emdsl.runtime.gaussian_sharing import compact, piece
from emdsl.runtime.program import Floats, Share
from emdsl.runtime.rows import expected

Ints = NDArray[np.intp]
Pair = tuple[int, int]
_FEW = 8  # patterns up to which products of means are added up for each


class LinearSums:
    """Of one share: u_p times features (F, R), the elements that rows see given (R,)."""

    def __init__(self, share: Share, rows: Ints, features: Any, count: int) -> None:
        self.share = share
        self.rows = rows
        self.gone = bool((rows < 0).any())
        self.added_up = isinstance(features, np.ndarray)
        self.features = _at_elements(rows, features, count) if self.added_up else features

    def natural(self, coefficients: Any) -> Floats:
        """What the features say: (dim, count) of elements if `added_up`, or (dim, R) of rows."""
        return np.atleast_2d(coefficients @ self.features)

    def sums(self, means: Floats) -> Floats:
        """Expected sums (dim, F), given the means (dim, count) of the elements."""
        if self.added_up:
            return expected(means, self.features)
        mean = np.take(means, self.rows, axis=1, mode="clip")
        return expected(np.where(self.rows >= 0, mean, 0.0) if self.gone else mean, self.features)


class SquareSums:
    """Of the shares that are products of u_p and u_q, p <= q, of one group's rows."""

    def __init__(
        self,
        pair: Pair,
        shares: Sequence[Share],
        rows: tuple[Ints, Ints],
        patterns: Ints | None,
        columns: Mapping[int, Any],
        whole: Mapping[int, Any],
        count: int,
    ) -> None:
        """`columns`: of each cluster the features of each pattern; `whole`: those of each row.

        `count` is how many elements the family of u_p has.
        """
        self.pair, self.shares, self.columns = pair, shares, columns
        left, right = rows
        self.size = len(left) if patterns is None else int(patterns.max(initial=-1)) + 1
        here = np.flatnonzero((left >= 0) & (right >= 0))
        self._tables: list[tuple[Any, Any, Floats | None]] | None = None
        same = left is right
        if patterns is not None and self.size <= _FEW:
            self._tables = []
            for u in range(self.size):
                own = here[patterns[here] == u]
                self._tables.append(_by_element(left[own]) if same else
                                    (compact(left[own]), compact(right[own]), None))  # fmt: skip
            return
        self._rows: dict[int, tuple[Any, Any, Any]] = {}  # of each cluster: features and elements
        for s in shares:
            features = whole[s.cluster]
            if same and isinstance(features, np.ndarray):
                every = slice(0, count, 1)
                self._rows[s.cluster] = every, every, _at_elements(left, features, count)
            else:
                self._rows[s.cluster] = (
                    compact(left[here]), compact(right[here]), at_columns(features, here)
                )  # fmt: skip

    def sums(self, left: Floats, right: Floats, covariances: Floats | None) -> dict[int, Floats]:
        """Of each share's cluster the expected sums (functions, F).

        `left`, `right`: the means of the families of u_p and u_q; `covariances` (dim_p, dim_q, U):
        those of all rows with the same pattern together.
        """
        table = covariances
        if self._tables is not None:
            table = np.empty((len(left), len(right), self.size))
            for u, (i, j, weight) in enumerate(self._tables):
                own = pick(left, i)
                table[:, :, u] = (own if weight is None else own * weight) @ pick(right, j).T
            if covariances is not None:
                table += covariances
        out: dict[int, Floats] = {}
        for s in self.shares:
            found = None
            if table is not None:
                found = expected(_functions(s, table), self.columns[s.cluster])
            if self._tables is None:
                means = self._of_means(s, left, right)
                found = means if found is None else found + means
            assert found is not None
            out[s.cluster] = found
        return out

    def _of_means(self, s: Share, left: Floats, right: Floats) -> Floats:
        i, j, features = self._rows[s.cluster]
        if not isinstance(features, np.ndarray):
            return expected(_products(s, pick(left, i), pick(right, j)), features)
        size = features.shape[1]
        functions = len(left) * (1 if s.role == "along" else len(right))
        total: Floats = np.zeros((functions, len(features)))
        for here in chunks(size, functions + len(features)):
            both = _products(s, pick(left, piece(i, here)), pick(right, piece(j, here)))
            total += expected(both, features[:, here])
        return total


def _by_element(rows: Ints) -> tuple[Any, Any, Floats | None]:
    """Elements that rows see, each once, and how often."""
    if not len(rows):
        return slice(0, 0), slice(0, 0), None
    counts = np.bincount(rows)
    seen = np.flatnonzero(counts)
    weight = counts[seen].astype(np.float64)
    at = compact(seen)
    return at, at, None if (weight == 1.0).all() else weight


def _at_elements(rows: Ints, features: Floats, count: int) -> Floats:
    """Features (F, R) added up at the elements that the rows see, (F, count)."""
    if len(rows) == count and (rows == np.arange(count)).all():
        return features
    here = rows >= 0
    seen = rows[here]
    out = np.empty((len(features), count))
    for f, row in enumerate(features):
        out[f] = np.bincount(seen, row[here], minlength=count)
    return out


def _functions(s: Share, table: Floats) -> Floats:
    """(dim_p, dim_q, U), p <= q, as the share's functions (functions, U)."""
    if s.role == "along":
        return np.ascontiguousarray(np.einsum("iiu->iu", table))
    if s.first > s.second:
        table = table.swapaxes(0, 1)
    return table.reshape(-1, table.shape[-1])


def _products(s: Share, left: Floats, right: Floats) -> Floats:
    """Products of means (dim, B), as the share's functions (functions, B)."""
    if s.role == "along":
        return left * right
    if s.first > s.second:
        left, right = right, left
    return (left[:, None] * right).reshape(-1, left.shape[-1])
