"""Linear systems of an M-step that are singular: which coefficients the data don't determine.

Newton's blocks are looked at by `diagnosis`; systems that a rule solves have their least-norm
solution. What a direction that a system says nothing of does to the parameters is found by adding
it to the solution, whatever the update makes of that.
"""

from __future__ import annotations

import numpy as np

from emdsl.runtime.diagnosis import shortened
from emdsl.runtime.engine import Engine
from emdsl.runtime.gather import cell_text
from emdsl.runtime.linear import Flat, Watch, watched
from emdsl.runtime.naming import undetermined
from emdsl.runtime.program import Floats, Params, Statistics
from emdsl.runtime.trials import objective_at

_EXACT = 1e-10  # of a direction's largest entry: less is rounding
_SAME = 1e-9  # of the objective: what a direction that changes nothing may change by rounding
_LOOKED_AT = 50  # directions


def undetermined_systems(engine: Engine, statistics: Statistics, params: Params) -> tuple[str, ...]:
    """What to say of coefficients that the M-step's linear systems leave open.

    Costs an M-step, and two and two E-steps for each direction; nothing is said under constraints.
    """
    if engine.constraints is not None:
        return ()
    with watched(Watch()) as watch:
        base = engine.program.m_step(statistics, params)
    if not watch.flat:
        return ()
    here = objective_at(engine, base)
    texts = []
    for flat in watch.flat[:_LOOKED_AT]:
        way = _way(engine, statistics, params, base, flat)
        there = {n: base[n] + way[n] if n in way else base[n] for n in base}
        if way and abs(objective_at(engine, there) - here) <= _SAME * (1.0 + abs(here)):
            texts.append(undetermined(_parts(way)))
    return shortened(texts)


def _way(
    engine: Engine, statistics: Statistics, params: Params, base: Params, flat: Flat
) -> dict[str, Floats]:
    """How the real parameters move along a direction, the first entry that does by 1."""
    with watched(Watch(flat)):
        moved = engine.program.m_step(statistics, params)
    kinds = {p.name: p.kind for p in engine.program.meta.params}
    found = {n: moved[n] - base[n] for n in base if kinds[n] == "real"}
    most = max((float(np.abs(x).max()) for x in found.values()), default=0.0)
    if not 0.0 < most < np.inf:
        return {}
    found = {n: np.where(np.abs(x) > _EXACT * most, x, 0.0) for n, x in found.items()}
    found = {n: x for n, x in found.items() if x.any()}
    first = next(iter(found.values()))
    return {n: x / first.flat[np.flatnonzero(first)[0]] for n, x in found.items()}


def _parts(way: dict[str, Floats]) -> list[tuple[str, str, float]]:
    out = []
    for name, x in way.items():
        for at in np.argwhere(x):
            cell = cell_text(name, tuple(int(i) for i in at))
            out.append((cell, cell, float(x[tuple(at)])))
    return out
