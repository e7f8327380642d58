"""Unconstrained coordinates of one parameter, and how derivatives go over to them.

With x(phi) the map, J its Jacobian, g and H the gradient and Hessian in x,

    gradient in phi = J' g
    Hessian in phi = J' H J + sum_i g_i d2 x_i / dphi dphi'

A simplex keeps all K logs as coordinates, with x = softmax(phi): the direction that adds the same
to all of them changes nothing, and the maximiser takes it out. So no entry is special, and zeros
(which no finite coordinate reaches) and held entries are left out one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.objective import Floats, Mask

KINDS = ("real", "positive", "unit", "ordered", "simplex")

_TINY = 2.2250738585072014e-308
_FAR = 300.0  # logs are kept within this: squares of exp(300) are still finite
JUMP = 4.0  # the largest step of a log or a logit, in e-folds


@dataclass(frozen=True, slots=True)
class Chart:
    """One parameter, flattened to (B, n): B problems of n entries, rows of `last` entries.

    kind : one of KINDS; the order of an `ordered` with held entries is checked, not built in.
    start : the values it had, which frozen entries keep, (B, n).
    frozen : the entries that stay (of an ordered: the gaps that stay), or None; (B, n).
    """

    kind: str
    start: Floats
    last: int
    frozen: Mask | None

    def coordinates(self, x: Floats) -> Floats:
        """phi of x, (B, n); finite, and of no meaning where an entry is frozen at an edge."""
        if self.kind == "real":
            return x
        if self.kind == "unit":
            return np.log(np.maximum(x, _TINY)) - np.log(np.maximum(1.0 - x, _TINY))
        if self.kind == "ordered":
            rows = self._rows(x)
            gaps = np.log(np.maximum(np.diff(rows, axis=-1), _TINY))
            return self._flat(np.concatenate([rows[..., :1], gaps], axis=-1))
        return np.asarray(np.log(np.maximum(x, _TINY)))

    def natural(self, phi: Floats) -> Floats:
        """x of phi, (B, n), frozen entries as they were."""
        if self.kind == "real":
            return self._kept(phi)
        if self.kind == "positive":
            return self._kept(np.exp(_near(phi)))
        if self.kind == "unit":
            return self._kept(1.0 / (1.0 + np.exp(-_near(phi))))
        rows = self._rows(phi)
        if self.kind == "ordered":
            steps = np.exp(_near(rows))
            steps[..., 0] = rows[..., 0]
            if self.frozen is not None:
                was = self._rows(self.start)
                was = np.concatenate([was[..., :1], np.diff(was, axis=-1)], axis=-1)
                steps = np.where(self._rows(self.frozen), was, steps)
            return self._flat(np.cumsum(steps, axis=-1))
        free = self._free_rows()
        top = np.max(rows, axis=-1, keepdims=True, where=free, initial=-np.inf)
        part = np.exp(np.where(free, rows - top, -np.inf))
        total = part.sum(axis=-1, keepdims=True)
        mass = np.sum(self._rows(self.start), axis=-1, keepdims=True, where=free)
        return self._kept(self._flat(part * (mass / np.where(total > 0.0, total, 1.0))))

    def pull(self, x: Floats, v: Floats) -> Floats:
        """J' along the last axis of v, (B, n) or (B, r, n), at x."""
        if self.kind == "real":
            return v if self.frozen is None else np.where(_beside(self.frozen, v), 0.0, v)
        if self.kind in {"positive", "unit"}:
            slope = x if self.kind == "positive" else x * (1.0 - x)
            if self.frozen is None:
                return np.asarray(v * _beside(slope, v))
            return np.where(_beside(self.frozen, v), 0.0, v * _beside(slope, v))
        rows = v.reshape(*v.shape[:-1], -1, self.last)
        if self.kind == "ordered":
            tails = np.cumsum(rows[..., ::-1], axis=-1)[..., ::-1]
            return np.reshape(tails * _beside(self._steps(x), rows), v.shape)
        free = _beside(self._free_rows(), rows)
        inside = np.where(free, rows, 0.0)
        values = np.where(free, _beside(self._rows(x), rows), 0.0)
        share = _beside(self._share(x), rows)
        mean = (share * inside).sum(axis=-1, keepdims=True)
        return np.reshape(values * (inside - mean), v.shape)

    def bend(self, x: Floats, gradient: Floats) -> Floats | None:
        """sum_i g_i d2 x_i: the diagonal (B, n), a matrix (B, n, n), or None where it is zero."""
        if self.kind == "real":
            return None
        if self.kind == "positive":
            return self.pull(x, gradient)
        if self.kind == "unit":
            return self.pull(x, gradient) * (1.0 - 2.0 * x)
        if self.kind == "ordered":
            found = self._rows(np.array(self.pull(x, gradient)))
            found[..., 0] = 0.0
            return self._flat(found)
        rows, free = self._rows(gradient), self._free_rows()
        share = self._share(x)
        mass = np.sum(self._rows(x), axis=-1, keepdims=True, where=free)[..., None]
        g = np.where(free, rows, 0.0)
        g = np.where(free, g - (share * g).sum(axis=-1, keepdims=True), 0.0)
        eye = np.eye(self.last)
        blocks = eye * (share * g)[..., None]
        blocks = blocks - share[..., :, None] * share[..., None, :] * (
            g[..., :, None] + g[..., None, :]
        )
        blocks = mass * blocks
        size, count = x.shape[-1], blocks.shape[1]
        out = np.zeros((len(x), size, size))
        for row in range(count):
            at = slice(row * self.last, (row + 1) * self.last)
            out[:, at, at] = blocks[:, row]
        return out

    def valid(self, x: Floats) -> Mask:
        """Whether each problem's entries are in order, (B,)."""
        ordered: Mask = (np.diff(self._rows(x), axis=-1) >= 0.0).all(axis=(-2, -1))
        return ordered

    def _steps(self, x: Floats) -> Floats:
        """dx_k / dphi_j for k >= j of an ordered: 1, then the gaps; rows (B, R, K)."""
        rows = self._rows(x)
        first = np.ones((*rows.shape[:-1], 1))
        steps = np.concatenate([first, np.diff(rows, axis=-1)], axis=-1)
        return steps if self.frozen is None else np.where(self._rows(self.frozen), 0.0, steps)

    def _share(self, x: Floats) -> Floats:
        """The free entries of a simplex as a simplex of their own, (B, R, K)."""
        inside = np.where(self._free_rows(), self._rows(x), 0.0)
        total = inside.sum(axis=-1, keepdims=True)
        share: Floats = inside / np.where(total > 0.0, total, 1.0)
        return share

    def _free_rows(self) -> Mask:
        if self.frozen is None:
            return np.ones((1, 1, 1), dtype=np.bool_)
        free: Mask = np.logical_not(self._rows(self.frozen))
        return free

    def _kept(self, x: Floats) -> Floats:
        return x if self.frozen is None else np.where(self.frozen, self.start, x)

    def _rows(self, x: NDArray[Any]) -> Any:
        return x.reshape(len(x), -1, self.last)

    def _flat(self, rows: Any) -> Floats:
        flat: Floats = rows.reshape(len(rows), -1)
        return flat


def _beside(weight: NDArray[Any], v: Floats) -> Any:
    """A weight (B, entries...) with an axis put in where v, (B, r, entries...), has one more."""
    return weight if weight.ndim == v.ndim else weight[:, None]


def _near(phi: Floats) -> Floats:
    """Logs within what can be squared; np.clip takes longer to start than this takes."""
    return np.minimum(np.maximum(phi, -_FAR), _FAR)
