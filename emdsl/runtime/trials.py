"""The objective at parameters that are tried, and how well it is known."""

from __future__ import annotations

import math

import numpy as np

from emdsl.runtime.engine import Engine, ImpossibleError
from emdsl.runtime.program import Params, Statistics


def tried(engine: Engine, params: Params) -> tuple[float, Statistics | None]:
    """The objective and the statistics at parameters; minus infinity where there is no number."""
    try:
        found = engine.e_step(params)
    except (np.linalg.LinAlgError, ImpossibleError):
        return -math.inf, None
    value = found.log_likelihood + engine.program.log_prior(params, engine.layout)
    return (value if math.isfinite(value) else -math.inf), found


def objective_at(engine: Engine, params: Params) -> float:
    """The objective at parameters; minus infinity where there is no number."""
    return tried(engine, params)[0]


def shaken(engine: Engine, *places: Params) -> float:
    """How much the objective changes where parameters change in their last digits."""
    rng = np.random.default_rng(4)
    spread = 0.0
    for params in places:
        values = [objective_at(engine, params)]
        for _ in range(8):
            moved = {
                p.name: params[p.name] * (1.0 + 1e-15 * rng.integers(-2, 3, params[p.name].shape))
                if p.kind in ("real", "positive")
                else params[p.name]
                for p in engine.program.meta.params
            }
            values.append(objective_at(engine, moved))
        spread = max(spread, max(values) - min(values))
    return spread
