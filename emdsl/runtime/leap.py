"""Extrapolates slow EM: from three iterates in a row to about where they are heading.

    r = phi_1 - phi_0,  v = (phi_2 - phi_1) - r,  phi = phi_0 + 2 s r + s^2 v,  s = |r| / |v|

(Varadhan and Roland, Scand. J. Stat. 35 (2008): SQUAREM, S3), in coordinates without bounds: logs
of what is positive, log Cholesky factors of covariances. A variance on its way to zero, which plain
EM approaches as slowly as 1 / iteration, is there in a few leaps. A leap is kept only where the
objective is no lower than before it; s = 1 is two plain iterations.

Probabilities with a prior don't leap: where a Dirichlet's argument is below 1 its density has no
bound, and any leap towards the edge would be kept, with a component that has data.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.program import Floats, Meta, Params

_KINDS = ("real", "positive", "unit", "simplex", "posdef")
_GROWTH = 4.0
_TINY = 1e-290


class Leaper:
    """Watches the iterates of one run and proposes leaps.

    `first` is the iteration from which on its run may leap.
    """

    def __init__(self, meta: Meta) -> None:
        self._kinds = {p.name: p.kind for p in meta.params}
        self._plain = [p.name for p in meta.params if p.prior and p.kind in ("simplex", "unit")]
        self.able = all(k in _KINDS for k in self._kinds.values())
        self.first = 0
        self._steps: list[Params] = []
        self._most = 1.0  # the longest leap, in iterations' lengths
        self._length = 0.0

    def restart(self, params: Params) -> None:
        """Begin anew from these parameters."""
        self._steps = [params]

    def add(self, params: Params) -> None:
        """What a plain iteration came to."""
        self._steps = [*self._steps[-2:], params]

    @property
    def count(self) -> int:
        """How many iterates in a row are known."""
        return len(self._steps)

    def propose(self) -> Params | None:
        """Where the last three iterates are heading; None where they don't tell."""
        if not self.able or len(self._steps) < 3:
            return None
        a, b, c = (self._coordinates(p) for p in self._steps)
        for name in self._plain:
            a[name] = b[name] = c[name]
        r = {n: b[n] - a[n] for n in a}
        v = {n: (c[n] - b[n]) - r[n] for n in a}
        length = np.sqrt(sum(float(np.vdot(x, x)) for x in r.values()))
        bend = np.sqrt(sum(float(np.vdot(x, x)) for x in v.values()))
        if not np.isfinite(length) or not np.isfinite(bend) or bend == 0.0 or length == 0.0:
            return None
        step = length / bend
        if step <= 1.0:
            return None
        self._length = min(step, self._most * _GROWTH)
        s = self._length
        moved = {n: a[n] + 2.0 * s * r[n] + s * s * v[n] for n in a}
        found = self._natural(moved, self._steps[-1])
        found |= {n: self._steps[-1][n] for n in self._plain}
        if not all(np.isfinite(x).all() for x in found.values()):
            return None
        return found

    def judge(self, *, kept: bool) -> None:
        """Longer leaps after one that was kept, shorter ones after one that wasn't."""
        if kept:
            self._most = max(self._most, self._length)
        else:
            self._most = max(self._most / _GROWTH, 1.0)

    # -- coordinates --

    def flat(self, params: Params) -> Floats:
        """All coordinates of parameters, one after the other."""
        parts = [
            _free(np.asarray(params[n]), kind)[_entries(np.asarray(params[n]), kind)]
            for n, kind in self._kinds.items()
        ]
        return np.concatenate([np.ravel(x) for x in parts]) if parts else np.zeros(0)

    def logs(self, like: Params) -> NDArray[np.bool_]:
        """Which of the flat coordinates are logs or logits."""
        parts = []
        for name, kind in self._kinds.items():
            x = np.asarray(like[name])
            own = np.full(x.shape, kind != "real")
            if kind == "posdef":
                own &= np.eye(x.shape[-1], dtype=np.bool_)
            parts.append(own[_entries(x, kind)].ravel())
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.bool_)

    def shaped(self, flat: Floats, like: Params) -> Params:
        """The parameters with these coordinates, in the shapes of others."""
        free, at = {}, 0
        for name, kind in self._kinds.items():
            value = np.asarray(like[name])
            mask = _entries(value, kind)
            free[name] = np.zeros(value.shape)
            count = int(np.count_nonzero(mask))
            free[name][mask] = flat[at : at + count]
            at += count
        return self._natural(free, like)

    def _coordinates(self, params: Params) -> dict[str, Floats]:
        return {n: _free(np.asarray(x), self._kinds[n]) for n, x in params.items()}

    def _natural(self, free: dict[str, Floats], like: Params) -> Params:
        return {n: _bounded(x, self._kinds[n]).reshape(np.shape(like[n])) for n, x in free.items()}


def _entries(x: Floats, kind: str) -> NDArray[np.bool_]:
    """Which entries have a coordinate: a Cholesky factor has none above its diagonal."""
    whole = np.ones(x.shape, dtype=np.bool_)
    return np.tril(whole) if kind == "posdef" else whole


def _free(x: Floats, kind: str) -> Floats:
    match kind:
        case "positive":
            return np.log(np.maximum(x, _TINY))
        case "unit":
            return np.log(np.maximum(x, _TINY)) - np.log(np.maximum(1.0 - x, _TINY))
        case "simplex":
            return np.log(np.maximum(x, _TINY))
        case "posdef":
            try:
                factor = np.linalg.cholesky(x)
            except np.linalg.LinAlgError:
                return np.full_like(x, np.nan)
            at = np.arange(x.shape[-1])
            factor[..., at, at] = np.log(factor[..., at, at])
            return np.asarray(factor, dtype=np.float64)
        case _:
            return x


def _bounded(x: Floats, kind: str) -> Floats:
    match kind:
        case "positive":
            return np.exp(x)
        case "unit":
            found: Floats = 1.0 / (1.0 + np.exp(-x))
            return found
        case "simplex":
            weight = np.exp(x - x.max(axis=-1, keepdims=True))
            share: Floats = weight / weight.sum(axis=-1, keepdims=True)
            return share
        case "posdef":
            factor = np.tril(x)
            at = np.arange(x.shape[-1])
            factor[..., at, at] = np.exp(factor[..., at, at])
            whole: Floats = factor @ np.swapaxes(factor, -1, -2)
            return whole
        case _:
            return x
