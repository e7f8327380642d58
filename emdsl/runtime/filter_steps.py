"""Steps of a filter of normal chains, of many times at once where matrices no longer change.

The matrices of a filter depend on which data there are and not on what they are. Along rows that
say equally much they settle, geometrically (Anderson and Moore, Optimal Filtering (1979), section
4.4), and from then on means follow a linear recurrence, which doubling solves in log T rounds:

    x_t = F x_t-1 + c_t      x_t = sum over i < 2^k of F^i c_t-i,  k = 0, 1, 2, ...
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.program import Floats

_SETTLED = 4e-15  # of a matrix, relative to its diagonal: what rounding changes
_NOTHING = 1e-40  # of a power of F, the largest entry

Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Step:
    """One step's matrices for each of B sequences, of windows of W numbers.

    known : (B, W - S, W - S), the precision of the times before, given the past.
    inverse, now : (B, W, W), covariances of windows before their data and with them.
    more : (B, W, W), the precision that the data add; logs (B,), what determinants add.
    """

    known: Floats
    inverse: Floats
    now: Floats
    more: Floats
    logs: Floats

    def means(self, force: Floats, data: Floats, before: Floats) -> tuple[Floats, Floats]:
        """Means of windows before their data and with them, (W, B, T), of T times in a row.

        force, data : (W, B, T), what the model and the data say; before : (B, W - S), the mean of
            the times before the first.
        """
        kept = before.shape[1]
        pass_on = self.inverse[:, :, len(force) - kept :] @ self.known  # (B, W, W - S)
        stay = np.eye(len(force)) - self.now @ self.more
        own = _times(self.inverse, force)
        told = _times(self.now, data)
        ahead = (stay @ pass_on)[:, :kept]
        came = (_times(stay, own) + told)[:kept]
        came[..., 0] += np.einsum("bij,bj->ib", ahead, before)
        state = recurrence(ahead, came)
        past = np.concatenate([before.T[..., None], state[..., :-1]], axis=-1)
        m = own + _times(pass_on, past)
        return m, m + _times(self.now, data - _times(self.more, m))

    def density(self, data: Floats, mean: Floats, move: Floats) -> Floats:
        """log p(data | past), (B, T), but for terms without latents; mean, move : (W, B, T)."""
        pull = _times(self.more, mean)
        linear = ((data - 0.5 * pull) * mean).sum(axis=0)
        gained: Floats = linear + 0.5 * ((data - pull) * move).sum(axis=0) + self.logs[:, None]
        return gained


def alike(*tables: Floats) -> NDArray[np.bool_]:
    """Whether each row of the tables (..., rows) is the one before it again, (rows,)."""
    again = np.zeros(tables[0].shape[-1], dtype=np.bool_)
    if len(again):
        again[1:] = True
    for table in tables:
        again[1:] &= (table[..., 1:] == table[..., :-1]).all(axis=tuple(range(table.ndim - 1)))
    return again


def settled(before: Floats, after: Floats) -> bool:
    """Whether precisions (B, n, n) have come to where they stay."""
    diagonal = np.sqrt(np.abs(np.einsum("bii->bi", after)))
    scale = diagonal[:, :, None] * diagonal[:, None, :]
    return bool((np.abs(after - before) <= _SETTLED * scale).all())


def steady(again: NDArray[np.bool_], starts: Ints, shortest: int, t: int) -> int:
    """How many times from time t on have the tables of time t, in all sequences; at least 1.

    again : of each row, whether its tables are those of the row before it.
    """
    run = 1
    while t + run < shortest:
        ahead = starts[:, None] + np.arange(t + run, min(t + 2 * run, int(shortest)))
        same = again[ahead].all(axis=0)
        if not same.all():
            return run + int(np.argmin(same))
        run += len(same)
    return run


def _times(matrices: Floats, x: Floats) -> Floats:
    """Matrices (B, i, j) times vectors (j, B, T): (i, B, T)."""
    return np.ascontiguousarray(np.moveaxis(matrices @ np.moveaxis(x, 0, 1), 0, 1))


def recurrence(matrices: Floats, x: Floats) -> Floats:
    """x_t + F x_t-1 + F^2 x_t-2 + ... of x (n, B, T), F (B, n, n)."""
    span, power = 1, matrices
    while span < x.shape[-1] and np.abs(power).max(initial=0.0) > _NOTHING:
        x = np.concatenate([x[..., :span], x[..., span:] + _times(power, x[..., :-span])], axis=-1)
        power = power @ power
        span *= 2
    return x
