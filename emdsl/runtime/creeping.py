"""Matrices that latent matrices are drawn with, where EM hardly moves them.

The larger the degrees of freedom are, the less the latents vary, and the less of a step towards
where the data are an iteration takes: it may stand still with much left to gain. Whether it does is
asked of the objective, e-folds away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emdsl.runtime.program import Meta, Params

_STEP = 3.0  # e-folds
_GAIN = 1.0  # in the objective
_MOST = 5  # times that a run stands still with more to gain: further out there is no end to it


def latent_scales(meta: Meta) -> tuple[str, ...]:
    """The matrices among the parameters that nothing else watches, where latents are matrices."""
    if not any(c.kind == "posdef" for c in meta.continuous):
        return ()
    return tuple(p.name for p in meta.params if p.kind == "posdef" and p.collapse is None)


@dataclass(slots=True)
class Creeping:
    """How often one run stood still far from where it should, and the matrix last moved."""

    names: tuple[str, ...]
    objective: Callable[[Params], float]
    times: int = 0
    place: str = ""

    def further(self, params: Params, here: float) -> Params | None:
        """Parameters e-folds away that are better by more than a trifle than `here`."""
        for name in self.names:
            for step in (_STEP, -_STEP):
                there = {**params, name: params[name] * np.exp(step)}
                if self.objective(there) - here > _GAIN:
                    self.times, self.place = self.times + 1, name
                    return there
        return None

    @property
    def endless(self) -> bool:
        """Whether it has been moved so often that there is no bound to what can be gained."""
        return self.times > _MOST
