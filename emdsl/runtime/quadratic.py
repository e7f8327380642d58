"""The maximum of a concave quadratic under linear equalities and bounds.

    max  g' x - 1/2 x' H x    subject to    x = offset + M f,    lower <= x <= upper

Without a bound in the way it is one linear system, (M' H M) f = M' (g - H offset). Otherwise a
primal active-set method (Nocedal and Wright 2006, algorithm 16.3), which starts from a point where
the constraints hold, never lowers the quadratic, and ends at its exact maximum.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.feasible import feasible_point
from emdsl.runtime.linear import solve

Floats = NDArray[np.float64]


class Restricted(Protocol):
    """See `emdsl.runtime.constraints.System`."""

    @property
    def offset(self) -> Floats: ...
    @property
    def matrix(self) -> Floats: ...
    @property
    def lower(self) -> Floats: ...
    @property
    def upper(self) -> Floats: ...


def highest(h: Floats, g: Floats, system: Restricted, start: Floats) -> Floats:
    """The x (n,) of the module's text; h : (n, n), g : (n,); `start` is where to begin if bounded.

    A singular system gets its solution of least norm in f.
    """
    offset, matrix = system.offset, system.matrix
    if not matrix.shape[1]:
        return np.array(offset)
    inner = matrix.T @ h @ matrix
    right = matrix.T @ (g - h @ offset)
    free: Floats = offset + matrix @ solve(inner, right, 1)
    if _inside(free, system) or not np.isfinite(free).all():
        return free
    begin = start
    if not np.isfinite(start).all():
        found = feasible_point(offset, matrix, system.lower, system.upper)
        begin = np.clip(free, system.lower, system.upper) if found is None else found
    f = np.asarray(np.linalg.lstsq(matrix, begin - offset, rcond=None)[0], np.float64)
    return _active_set(inner, right, system, f)


def _inside(x: Floats, system: Restricted) -> bool:
    return bool((x >= system.lower).all() and (x <= system.upper).all())


def _active_set(h: Floats, g: Floats, system: Restricted, f: Floats) -> Floats:
    """From a feasible f: move to the maximum on the active bounds, drop or add one, until done."""
    matrix, offset = system.matrix, system.offset
    below, above = np.isfinite(system.lower), np.isfinite(system.upper)
    normals = np.concatenate([matrix[below], -matrix[above]])  # normals @ f >= limits
    limits = np.concatenate([(system.lower - offset)[below], (offset - system.upper)[above]])
    moving = np.abs(normals).max(axis=1, initial=0.0) > 0.0
    normals, limits = normals[moving], limits[moving]
    size = np.linalg.norm(normals, axis=1)
    normals, limits = normals / size[:, None], limits / size
    slack = normals @ f - limits
    tiny = 1e-13 * max(1.0, float(np.abs(f).max(initial=0.0)))
    active: list[int] = []
    for i in np.flatnonzero(slack <= tiny):
        if np.linalg.matrix_rank(normals[[*active, i]]) > len(active):
            active.append(int(i))
    for _ in range(20 * (len(limits) + 1)):
        step, multipliers = _on_face(h, g - h @ f, normals[active])
        if np.abs(step).max(initial=0.0) <= tiny:
            if not active or multipliers.min() >= -1e-12 * max(1.0, float(np.abs(g).max())):
                break
            active.pop(int(multipliers.argmin()))
            continue
        toward = normals @ step
        room = np.maximum(normals @ f - limits, 0.0)
        blocking = toward < -1e-15
        blocking[active] = False
        ratios = np.where(blocking, room / np.where(blocking, -toward, 1.0), np.inf)
        first = int(ratios.argmin()) if len(ratios) else 0
        length = min(1.0, float(ratios[first])) if len(ratios) else 1.0
        f = f + length * step
        if length < 1.0:
            active.append(first)
    x = offset + matrix @ f
    return np.clip(x, system.lower, system.upper)


def _on_face(h: Floats, slope: Floats, normals: Floats) -> tuple[Floats, Floats]:
    """The step to the maximum with these bounds kept, and their multipliers."""
    if not len(normals):
        return solve(h, slope, 1), np.zeros(0)
    _, _, vt = np.linalg.svd(normals)
    along = vt[len(normals) :].T
    step = along @ solve(along.T @ h @ along, along.T @ slope, 1) if along.shape[1] else (
        np.zeros(len(slope)))  # fmt: skip
    # at the face's maximum the slope is  -normals' multipliers,  multipliers >= 0 if it is the end
    found = np.linalg.lstsq(normals.T, slope - h @ step, rcond=None)[0]
    multipliers = -np.asarray(found, np.float64)
    return step, multipliers
