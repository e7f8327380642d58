"""L-BFGS through SciPy, for blocks whose Hessian is too large to form."""

from __future__ import annotations

import numpy as np

from emdsl.runtime.coordinates import Coordinates
from emdsl.runtime.objective import Floats, Objective

_TURNS = 10  # of L-BFGS for one of Newton's steps, which they cost about as much as
_MEMORY = 20
_LOW = 1e3  # how much worse than the start a place outside the domain is made to look


def climb(objective: Objective, frame: Coordinates, steps: int, tol: float) -> Floats:
    """The flat parameters after at most 10 * `steps` iterations, (B, n).

    All problems as one, their sum: they share no unknown. A problem that ends lower than it
    began, or whose start has no finite value, is left at its start.
    """
    from scipy import optimize

    free, flat = frame.first()
    begun = objective.slopes(frame.point(flat), False)
    first = frame.valued(objective, flat, begun)
    gradient = frame.gradient(flat, begun)
    sound = np.isfinite(first) & np.isfinite(gradient).all(axis=-1)
    if not sound.any() or not gradient[sound].any():
        return flat
    begin = float(first[sound].sum())

    def at(x: Floats) -> tuple[float, Floats]:
        places = frame.natural(x.reshape(free.shape))
        slopes = objective.slopes(frame.point(places), False)
        values = frame.valued(objective, places, slopes)[sound]
        slope = frame.gradient(places, slopes)
        slope[~sound] = 0.0
        total = float(values.sum())
        if not (np.isfinite(total) and np.isfinite(slope).all()):
            return -begin + _LOW * (1.0 + abs(begin)), np.zeros(x.size)
        return -total, -slope.ravel()

    found = optimize.minimize(
        at,
        free.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={
            "maxiter": _TURNS * steps, "maxfun": 3 * _TURNS * steps + 10, "maxcor": _MEMORY,
            "ftol": tol, "gtol": 0.0,
        },
    )  # fmt: skip
    places = frame.natural(np.asarray(found.x).reshape(free.shape))
    values = frame.values(objective, places)
    better = sound & np.isfinite(values) & (values >= first)
    return np.where(better[:, None], places, flat)
