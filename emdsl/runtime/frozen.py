"""Where EM stands still short of a maximum: Newton's method on what an iteration changes.

Beside a variance that is nearly zero an iteration goes only that share of the way in what stands
beside it: with a noise of 1e-8 of a column's variance, 1e-8 of what its mean and loadings are wrong
by. That looks like convergence. But an iteration M(x) says where there is nothing left to do, at
x = M(x), and that can be solved (Jamshidian and Jennrich, J. R. Stat. Soc. B 59 (1997), section 3,
who take Broyden's secants for the derivatives; the ones of a run that stands still are rounding):

    f(x) = M(x) - x,  A_j = f(x + h_j e_j) - f(x),  A t = -f,  x_j + h_j t_j

in coordinates without bounds. Each row of A is taken in its own unit, so that those of 1e-8 count
like the others, and directions that change nothing (turned factors) get no step. h_j is so long
that the objective changes by about what estimates are uncertain by, far above rounding. A step is
kept only where the objective is higher.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emdsl.runtime.leap import Leaper
from emdsl.runtime.program import Floats, Params

MOST = 400  # unknowns: each costs an iteration
_ROUNDS = 8
_CHANGE = 1e-3  # of the objective, for a step that a derivative is taken over
_NEAR = 30.0  # times more or less than that will do
_TRIES = 4
_FIRST = 1e-3
_FOLD = 0.1  # of a log: what goes further isn't straight
_FLAT = 1e-6  # of the largest singular value: a direction that changes nothing
_SHORTER = (1.0, 0.25, 0.0625)
_LAST = 1e-15  # relative: a change in the last digits
_SHAKES = 4
_KNOWN = 10.0  # times rounding: equations that are no more than it say nothing

Iterate = Callable[[Params], tuple[float, Params]]


@dataclass(frozen=True, slots=True)
class Frozen:
    """EM's map: `iterate` gives the objective at parameters, and what an iteration makes of them.

    The objective is minus infinity where parameters are impossible.
    """

    leaper: Leaper
    iterate: Iterate

    def thawed(self, params: Params, tol: float) -> Params | None:
        """Better parameters; None where the objective gains no more than `tol` of itself.

        params : where a run of EM stands still.
        """
        x = self.leaper.flat(params)
        if x.size > MOST or not np.isfinite(x).all():
            return None
        value, f = self._change(x, params)
        first = value
        for _ in range(_ROUNDS if math.isfinite(value) else 0):
            step = self._step(x, value, f, params)
            if step is None:
                break
            tried = ((self._change(x + s * step, params), x + s * step) for s in _SHORTER)
            (new, ahead), at = max(tried, key=lambda found: found[0][0])
            gain = new - value
            if not gain > 0.0:
                break
            x, value, f = at, new, ahead
            if gain <= tol * (1.0 + abs(value)):
                break
        if not value - first > tol * (1.0 + abs(value)):
            return None
        return self.leaper.shaped(x, params)

    def _change(self, x: Floats, like: Params) -> tuple[float, Floats]:
        """The objective at x, and what an iteration from there changes."""
        params = self.leaper.shaped(x, like)
        if not all(np.isfinite(p).all() for p in params.values()):
            return -math.inf, np.full_like(x, np.nan)
        value, new = self.iterate(params)
        if not math.isfinite(value):
            return -math.inf, np.full_like(x, np.nan)
        return value, self.leaper.flat(new) - self.leaper.flat(params)

    def _step(self, x: Floats, value: float, f: Floats, like: Params) -> Floats | None:
        """Newton's step for f = 0."""
        size = len(x)
        a, h = np.zeros((size, size)), np.zeros(size)
        most = np.where(self.leaper.logs(like), _FOLD, np.inf)
        for j in range(size):
            h[j], moved = self._column(x, j, float(most[j]), value, like)
            a[:, j] = moved - f
        rows = np.abs(a).max(axis=1, initial=0.0)
        known = np.isfinite(rows) & (rows > _KNOWN * self._rounding(x, f, like))
        if not known.any():
            return None
        unit, t = rows[known], np.zeros(size)
        a = a[np.ix_(known, known)] / unit[:, None]
        t[known] = np.linalg.lstsq(a, -f[known] / unit, rcond=_FLAT)[0]
        step: Floats = h * t
        return step if np.isfinite(step).all() else None

    def _rounding(self, x: Floats, f: Floats, like: Params) -> Floats:
        """How much of what an iteration changes is rounding, in each coordinate.

        Of a variance that is a difference of sums, as one that is nearly zero is, it may be all:
        where that is so, the variance is left where it is.
        """
        rng = np.random.default_rng(7)
        least = _LAST * np.abs(x)
        for _ in range(_SHAKES):
            moved = x * (1.0 + _LAST * rng.choice((-1.0, 1.0), x.shape))
            least = np.maximum(least, np.abs(self._change(moved, like)[1] - f))
        return np.asarray(np.where(np.isfinite(least), least, np.inf))

    def _column(
        self, x: Floats, j: int, most: float, value: float, like: Params
    ) -> tuple[float, Floats]:
        """How far to go along coordinate j, at most `most`, and what an iteration changes there."""
        h = min(_FIRST * max(abs(float(x[j])), _FIRST), most)
        best = h, np.full_like(x, np.nan)
        for _ in range(_TRIES):
            moved = x.copy()
            moved[j] += h
            there, change = self._change(moved, like)
            if not math.isfinite(there):
                h *= 0.01
                continue
            best = h, change
            far = abs(there - value) / _CHANGE
            if 1.0 / _NEAR < far < _NEAR or (far < 1.0 and h == most):
                break
            h = min(h * min(max(far, 1e-8), 1e8) ** -0.5, most)
        return best
