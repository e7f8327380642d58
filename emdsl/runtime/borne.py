"""The pivot of a location that latents bear: about where the data are, before there is a fit.

The latents' stand-ins know of no location but the data's centre. So EM is run for the pivot's
parameters alone, scales as they are before there are data: theta -> M(theta), which is linear where
the posterior is normal, and slow where latents are tied to their location tightly. Anderson's
mixing (J. ACM 12 (1965)) of a few iterates solves such an iteration.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emdsl.runtime.engine import Engine
from emdsl.runtime.program import Floats, Params

_MOST = 40  # iterations
_MEMORY = 6  # iterates that are mixed
_SETTLED = 1e-6  # of the data's spread


def borne_pivot(engine: Engine, neutral: Params, first: Params) -> Params:
    """The pivot, from parameters of no opinion and the first pass's locations.

    Where the iteration leads nowhere, the pivot is that of the first pass.
    """
    program = engine.program
    names = list(program.pivot(first))
    kinds = {p.name: p.kind for p in program.meta.params}
    rest = {n: np.zeros_like(x) if kinds[n] == "real" else x for n, x in neutral.items()}
    params = {**rest, **{n: first[n] for n in names}}
    best, least = program.pivot(first), np.inf
    points: list[Floats] = []
    found: list[Floats] = []
    for _ in range(_MOST):
        try:
            new = program.m_step(engine.e_step(params), params)
        except ValueError:  # no posterior, or no number, out there
            break
        points = [*points[1 - _MEMORY :], np.concatenate([params[n].ravel() for n in names])]
        found = [*found[1 - _MEMORY :], np.concatenate([new[n].ravel() for n in names])]
        step = float(np.abs(found[-1] - points[-1]).max())
        if not np.isfinite(step):
            break
        if step < least:
            best, least = program.pivot(new), step
        if step <= _SETTLED * engine.unit.spread:
            break
        params = {**rest, **_cut(_mixed(points, found), names, new)}
    return best


def _mixed(points: Sequence[Floats], found: Sequence[Floats]) -> Floats:
    """Where a linear iteration is at rest, as far as these points and what they led to tell."""
    steps = np.array([g - x for x, g in zip(points, found, strict=True)])
    if len(steps) < 2:
        return found[-1]
    weight = np.linalg.lstsq(np.diff(steps, axis=0).T, steps[-1], rcond=None)[0]
    out: Floats = found[-1] - np.diff(np.array(found), axis=0).T @ weight
    return out


def _cut(flat: Floats, names: Sequence[str], like: Params) -> Params:
    ends = np.cumsum([like[n].size for n in names])[:-1]
    return {n: x.reshape(like[n].shape) for n, x in zip(names, np.split(flat, ends), strict=True)}
