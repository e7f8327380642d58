"""Finds densities without a bound in the coefficients of numeric blocks: sd = exp(a + b u[n]).

No coefficient is a scale by itself, and how far one may go is a matter of its covariate's unit.
What tells is the data: a row that has become far more likely than any is when nothing is known of
the latents, while the objective still rises further out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from emdsl.runtime.engine import Engine
from emdsl.runtime.numeric import Numeric
from emdsl.runtime.outward import GAIN
from emdsl.runtime.program import Params

_PEAK = 11.5  # in a row's log density: 1e-10 in a variance, as `guard` has it
_FURTHER = 0.2  # of the way from the reference
_CONTINUOUS = ("real", "positive", "unit")


class Peaks:
    """Watches the rows of a program with real parameters in numeric blocks."""

    def __init__(self, engine: Engine, reference: Params) -> None:
        program = engine.program
        self.reference = reference
        self.blocks: list[Numeric] = [b for b in program.numeric if "real" in b.kinds]
        if all(a.kind not in _CONTINUOUS for a in program.meta.arrays if a.role == "data"):
            self.blocks = []  # a probability is no more than 1
        self._usual: dict[tuple[str, ...], float] | None = None

    def row(self, engine: Engine, params: Params) -> str | None:
        """The row that is far more likely than any was at the reference, if there is one."""
        if not self.blocks:
            return None
        if self._usual is None:
            usual = engine.log_evidence(self.reference)
            self._usual = {axes: float(rows.max()) for axes, rows in usual.items() if len(rows)}
        worst, where = _PEAK, None
        for axes, rows in engine.log_evidence(params).items():
            above = rows - self._usual.get(axes, np.inf)
            if len(above) and not above.max() <= worst:
                at = int(np.argmax(above))
                worst, where = float(above[at]), engine.levels.where(axes, at)
        return where

    def rising(self, params: Params, objective: Callable[[Params], float]) -> Numeric | None:
        """The block whose coefficients have further to go, the objective being higher there."""
        here = objective(params)
        risen = (b for b in self.blocks if objective(self._beyond(b, params)) - here > GAIN)
        return next(risen, None)

    def _beyond(self, block: Numeric, params: Params) -> Params:
        """The block's coefficients further from the reference, each as it is from it already."""
        out = dict(params)
        for name, kind in zip(block.params, block.kinds, strict=True):
            if kind == "real":
                out[name] = params[name] + _FURTHER * (params[name] - self.reference[name])
        return out
