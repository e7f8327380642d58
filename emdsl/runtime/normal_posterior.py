"""The posterior of a row's jointly normal vectors.

With u the vectors one below the other the log joint is b' u - 1/2 u' P u, and

    log integral = 1/2 b' P^-1 b + D/2 log 2 pi - 1/2 log |P|,    u ~ N(P^-1 b, P^-1)

(Bishop 2006, section 2.3.1). Where all rows share P it is factored once, and the means of all rows
are one matrix product. Rows are done some at a time, which keeps what they need in the cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.definite import backward, forward, from_roots, inverse_roots, log_diagonals
from emdsl.runtime.how import EXPECT, Best, Draw, How
from emdsl.runtime.posterior_errors import improper

Floats = NDArray[np.float64]
Means = tuple[Floats, ...]
Seconds = dict[tuple[int, int], Floats]
Squares = Mapping[tuple[int, int], Floats]

_CELLS = 1 << 15  # entries of matrices that are done together; they fit in the cache
_REMEMBERED = 4096  # entries of matrices that are compared quicker than factored
_LOG_2PI = math.log(2.0 * math.pi)


def normal(
    linears: Sequence[Floats], squares: Squares, how: How = EXPECT
) -> tuple[Floats, Means, Seconds]:
    """The log integral and the moments of jointly normal vectors u_0, u_1, ...

    linears : for each vector the coefficients (S..., L_i, B or 1) of u_i.
    squares : {(i, j): (S..., L_i, L_j, B or 1)} for i <= j, of u_i[l] u_j[m]; a pair that isn't
        there has none. For i = j it needn't be symmetric: the precision is -(C + C').

    Returns the log integral (S..., B), E[u_i] as `linears` and E[u_i u_j'] as `squares`. A draw has
    the vectors drawn and their products in place of these; `Best` the mode and the highest log
    joint. Raises ImproperError where P isn't positive definite.
    """
    problem = _Problem(linears, squares)
    message = np.empty((*problem.lead, problem.rows))
    means = tuple(np.empty((*problem.lead, n, problem.rows)) for n in problem.sizes)
    seconds = {
        (i, j): np.empty((*problem.lead, problem.sizes[i], problem.sizes[j], problem.rows))
        for i, j in squares
    }
    expected = not isinstance(how, (Draw, Best))
    shared = problem.factored(slice(None)) if problem.shared else None
    covariance = _covariance(shared) if shared is not None and expected else None
    for block in problem.blocks():
        inverse = problem.factored(block) if shared is None else shared
        b = problem.linear(block)
        if covariance is None or shared is None:
            half = forward(inverse, b)
            height = 0.5 * np.einsum("d...,d...->...", half, half)
            if isinstance(how, Draw):
                half += how.rng.standard_normal(half.shape)
            u = backward(inverse, half)
            cov = from_roots(inverse) if expected else None
        else:
            cov = covariance
            u = _product(cov, b)
            height = 0.5 * np.einsum("d...,d...->...", b, u)
        if not isinstance(how, Best):
            height += 0.5 * len(b) * _LOG_2PI + log_diagonals(inverse)
        message[..., block] = height
        for i, mean in enumerate(means):
            _first(mean[..., block], 1)[...] = u[problem.spans[i]]
        for (i, j), second in seconds.items():
            out = _first(second[..., block], 2)
            left, right = problem.spans[i], problem.spans[j]
            np.multiply(u[left, None], u[None, right], out=out)
            if cov is not None:
                out += cov[left, right]
    return message, means, seconds


def normal_summary(linears: Sequence[Floats], squares: Squares) -> tuple[Means, Seconds]:
    """The means (S..., L_i, B), and {(i, j): covariances (S..., L_i, L_j, B or 1)} of all i <= j.

    Arguments and errors are those of `normal`.
    """
    problem = _Problem(linears, squares)
    means = tuple(np.empty((*problem.lead, n, problem.rows)) for n in problem.sizes)
    shared = problem.factored(slice(None)) if problem.shared else None
    found: Seconds = {}
    for i, rows in enumerate(problem.sizes):
        for j in range(i, len(problem.sizes)):
            last = 1 if problem.shared else problem.rows
            found[i, j] = np.empty((*problem.lead, rows, problem.sizes[j], last))
    for block in problem.blocks():
        inverse = problem.factored(block) if shared is None else shared
        u = backward(inverse, forward(inverse, problem.linear(block)))
        cov = from_roots(inverse)
        for i, mean in enumerate(means):
            _first(mean[..., block], 1)[...] = u[problem.spans[i]]
        for (i, j), one in found.items():
            part = one if problem.shared else one[..., block]
            _first(part, 2)[...] = cov[problem.spans[i], problem.spans[j]]
    return means, found


class _Problem:
    """Natural parameters with their leading axes made as many; entries come first in what it gives.

    `lead` (S...) are the states, `rows` B; `spans` where each vector stands among all D entries;
    `shared` says that all rows have the same P.
    """

    def __init__(self, linears: Sequence[Floats], squares: Squares) -> None:
        self.linears = [np.asarray(x, dtype=np.float64) for x in linears]
        self.squares = {k: np.asarray(x, dtype=np.float64) for k, x in squares.items()}
        self.sizes = [x.shape[-2] for x in self.linears]
        ends = np.cumsum([0, *self.sizes])
        self.spans = [slice(int(a), int(b)) for a, b in pairwise(ends)]
        leads = [x.shape[:-2] for x in self.linears] + [x.shape[:-3] for x in self._coefficients()]
        self.lead = np.broadcast_shapes(*leads)
        lasts = [(x.shape[-1],) for x in (*self.linears, *self._coefficients())]
        self.rows = np.broadcast_shapes(*lasts)[0]
        # states may share P too
        own = np.broadcast_shapes(*(x.shape[:-3] for x in self._coefficients()), ())
        self.own: tuple[int, ...] = (1,) * (len(self.lead) - len(own)) + own
        self.shared = all(x.shape[-1] == 1 for x in self._coefficients())

    def _coefficients(self) -> list[Floats]:
        return list(self.squares.values())

    def blocks(self) -> Iterator[slice]:
        cells = min(max(_CELLS // max(sum(self.sizes), 1) ** 2, 1024), 8192)
        if self.shared:  # only means and products have to fit
            cells *= 4
        step = max(cells // max(math.prod(self.lead), 1), 1)
        for start in range(0, self.rows, step):
            yield slice(start, min(start + step, self.rows))

    def linear(self, block: slice) -> Floats:
        """b (D, S..., rows)."""
        count = block.stop - block.start
        b = np.empty((sum(self.sizes), *self.lead, count))
        for span, x in zip(self.spans, self.linears, strict=True):
            b[span] = _first(_cut(x, block), 1, len(self.lead))
        return b

    def factored(self, block: slice) -> Floats:
        """L^-1 (D, D, S... or 1..., rows or 1) of P = L L'. Raises ImproperError."""
        count = 1 if self.shared else block.stop - block.start
        size = sum(self.sizes)
        precision = np.zeros((size, size, *self.own, count))
        for (i, j), x in self.squares.items():
            part = _first(_cut(x, block), 2, len(self.lead))
            precision[self.spans[i], self.spans[j]] -= part
            precision[self.spans[j], self.spans[i]] -= np.swapaxes(part, 0, 1)
        inverse, definite = _inverse_roots(precision)
        if not definite.all():
            at = [int(k) for k in np.unravel_index(int(np.argmin(definite)), definite.shape)]
            at[-1] += 0 if self.shared else block.start
            whole = (*self.own, 1 if self.shared else self.rows)
            why = "its precision isn't positive definite"
            raise improper("normal", why, tuple(at), whole)
        return inverse


def _inverse_roots(precision: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """`inverse_roots`; of matrices that all rows share block after block asks the same again."""
    if precision.size > _REMEMBERED:
        return inverse_roots(precision)
    return _remembered_roots(precision.tobytes(), precision.shape)


@lru_cache(maxsize=8)
def _remembered_roots(data: bytes, shape: tuple[int, ...]) -> tuple[Floats, NDArray[np.bool_]]:
    found = inverse_roots(np.frombuffer(data).reshape(shape).copy())
    for array in found:
        array.setflags(write=False)
    return found


def _covariance(inverse: Floats) -> Floats:
    """`from_roots`, likewise."""
    if inverse.size > _REMEMBERED:
        return from_roots(inverse)
    return _remembered_covariance(inverse.tobytes(), inverse.shape)


@lru_cache(maxsize=8)
def _remembered_covariance(data: bytes, shape: tuple[int, ...]) -> Floats:
    found = from_roots(np.frombuffer(data).reshape(shape))
    found.setflags(write=False)
    return found


def _cut(x: Floats, block: slice) -> Floats:
    """Some of the rows; of what all rows share, itself."""
    return x if x.shape[-1] == 1 else x[..., block]


def _first(x: Floats, count: int, lead: int | None = None) -> Floats:
    """(S..., entries..., B) with its `count` axes of entries first, and `lead` axes of states."""
    states = x.ndim - count - 1
    if lead is not None and lead > states:
        x = x.reshape((1,) * (lead - states) + x.shape)
        states = lead
    return np.moveaxis(x, range(states, states + count), range(count))


def _product(shared: Floats, b: Floats) -> Floats:
    """A b (D, S..., B) of A (D, D, S... or 1..., 1) and b (D, S..., B)."""
    matrix = np.moveaxis(shared[..., 0], (0, 1), (-2, -1))
    return np.moveaxis(matrix @ np.moveaxis(b, 0, -2), -2, 0)
