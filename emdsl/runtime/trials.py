"""The objective at parameters that are tried, and how well it is known."""

from __future__ import annotations

import math
from typing import Any

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


def grain(engine: Engine, params: Params) -> float:
    """How much rounding may take at most from what coefficients and features add up to.

    Each row's log density is a sum of products, which may be large and cancel (a von Mises of
    concentration 1e6: kappa cos x - log I0(kappa)), each known to half a unit of its last digit.
    All rows share the coefficients, so their roundings add up. What no latent touches is added up
    before it meets them. Rows that aren't kept as plain arrays don't count.
    """
    total = 0.0
    for index, data in enumerate(engine.pieces):
        direct, *known = data.piece.coefficients(params, engine.layout, engine.pivot)
        total += float(np.abs(direct) @ np.abs(engine.direct_sums(index)))
        for chunk, features in engine.blocks(index, params):
            coefficients: Any
            rows: Any
            for coefficients, rows in zip(known, features.rows, strict=True):
                if not all(isinstance(x, np.ndarray) and x.ndim == 2 for x in (coefficients, rows)):
                    continue
                sizes = (np.abs(coefficients) @ np.abs(rows)).max(axis=0)
                total += float(sizes.sum() if chunk.weight is None else sizes @ chunk.weight)
    return 0.5 * float(np.finfo(np.float64).eps) * total if math.isfinite(total) else 0.0
