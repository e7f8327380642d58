"""What is known of one run of EM, and by what rules it goes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from emdsl.runtime.alive import Gone
from emdsl.runtime.engine import ImpossibleError
from emdsl.runtime.floors import Floors
from emdsl.runtime.outward import Outward
from emdsl.runtime.peaks import Peaks
from emdsl.runtime.program import Params

Status = Literal["converged", "max_iter", "degenerate", "decreased", "interrupted"]


@dataclass(frozen=True, slots=True)
class Iteration:
    """What `on_iteration` is told: after the E-step of `iteration`, under `params`."""

    restart: int
    iteration: int
    objective: float
    params: Params


@dataclass(slots=True)
class Run:
    """One run: its last good parameters and the objective there.

    `settled` says that an M-step is known to leave the parameters it begins with as they are.
    """

    restart: int
    attempt: int
    params: Params
    objective: float = math.nan
    log_likelihood: float = math.nan
    log_prior: float = 0.0
    trace: list[float] = field(default_factory=list)
    status: Status = "max_iter"
    messages: list[str] = field(default_factory=list)
    impossible: ImpossibleError | None = None
    gone: Gone = field(default_factory=dict)
    settled: bool = False

    @property
    def n_iter(self) -> int:
        return max(len(self.trace) - 1, 0)

    def keep(self, params: Params, log_likelihood: float, log_prior: float) -> None:
        """Parameters that are no worse than those before."""
        self.params, self.objective = params, log_likelihood + log_prior
        self.log_likelihood, self.log_prior = log_likelihood, log_prior
        self.trace.append(self.objective)


@dataclass(frozen=True, slots=True)
class Rules:
    """When to stop and what to do with a collapsing variance (`floor` None: stop)."""

    max_iter: int
    tol: float
    floor: float | None
    rows: float
    outward: Outward | None = None
    peaks: Peaks | None = None
    floors: Floors | None = None
