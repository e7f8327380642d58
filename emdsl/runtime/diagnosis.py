"""Says of a numeric block's maximum where it isn't one: flat directions, and maxima at infinity.

Three things are looked for at the end of a fit, problem by problem:

- Shapes that run away: a positive parameter whose Newton step is still a good part of an e-fold
  though there is nothing left to gain, or many of them; or whose logarithm has no curvature.
- Directions that change nothing, here or where the real parameters are 0: collinear columns.
- Directions that had a curvature where the real parameters are 0 and have next to none here,
  with Newton's step still leading outwards: the maximum is at infinity, as the data are separated
  (Albert and Anderson 1984, Biometrika 71).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.coordinates import Coordinates
from emdsl.runtime.naming import Naming
from emdsl.runtime.objective import Floats, Mask, Objective, Point, Restriction
from emdsl.runtime.rules import staying

FLAT = 1e-12  # a singular value, relative to the largest, after scaling to a unit diagonal
_GONE = 1e-12  # a curvature relative to what it was at 0 that is none
LITTLE = 1e-2  # one that has fallen so far may be on its way to none
_PART = 0.02  # Newton's step outwards as a part of the way come: at infinity at least 1 / 40
_NO_GAIN = 1e-4  # in units of the log likelihood
_FOLDS = 0.05  # a log's step that a maximum found doesn't leave
_JUMPS = 4.0  # a log's step that finds no end
_LOOSE = 1e-4  # a log's curvature that determines nothing: a standard deviation of 100 e-folds
_FAR = 7.0  # a log that has gone far
_OUT = 14.0  # a log that has gone so far that differences of functions of it may be lost
_FURTHER = 3.0  # e-folds to look ahead from there
_AS_HIGH = 0.3  # what rounding may take from it there; a curvature worth a datum costs 2
_MOST = 1000  # unknowns of a problem up to which its Hessian is formed to look at
_MESSAGES = 5


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a batch, or the part of its free coordinates at `entries`, (m,).

    way : from where the real parameters are 0, (m,).
    gradient, curvature : (m,) and (m, m), here; before : the curvature where they are 0.
    far : entries that `unbounded` found, (m,).
    size : what curvatures are small beside, (m,).
    """

    entries: NDArray[np.intp]
    way: Floats
    gradient: Floats
    curvature: Floats
    before: Floats
    far: Mask
    size: Floats


Way = tuple[Floats, Floats]  # a direction of all entries, and how much each does, (n,) each


def diagnose(
    objective: Objective,
    point: Point,
    kinds: tuple[str, ...],
    names: tuple[str, ...],
    batch: int,
    *,
    held: tuple[Mask | None, ...] | None = None,
    restriction: Restriction | None = None,
    shift: tuple[int | None, ...] | None = None,
) -> tuple[str, ...]:
    """What is wrong with a maximum, in words; nothing where all is well.

    point : where `maximise` ended, of a fit that has converged. The other arguments are those of
        `maximise`; `names` are the parameters'. Directions that `shift` tells of are no news.

    Costs two evaluations of the Hessian. Problems of more than 1000 unknowns are not looked at.
    """
    if held is None and restriction is None:
        held = staying(objective, point)
    with np.errstate(all="ignore"):
        frame = Coordinates(point, kinds, batch, held, restriction, shift)
        if not frame.problems or not 0 < frame.unknowns <= _MOST:
            return ()
        origin, there, flat = frame, np.zeros_like(frame.flat), np.zeros_like(frame.flat)
        if not frame.plain or frame.restricted:
            center = at_zero(point, kinds, held)
            origin = Coordinates(center, kinds, batch, held, restriction, shift)
            there, flat = origin.first()
        before = origin.curvature(flat, objective.slopes(origin.point(flat), True))
        naming = Naming(frame, names, kinds)
        here, flat = frame.first()
        slopes = objective.slopes(frame.point(flat), True)
        gradient, curvature = frame.gradient(flat, slopes), frame.curvature(flat, slopes)
        far = unbounded(objective, frame, naming.logs)
        messages: list[str] = []
        for b in range(frame.problems):
            if not (np.isfinite(gradient[b]).all() and np.isfinite(curvature[b]).all()):
                continue
            old = before[b] if np.isfinite(before[b]).all() else curvature[b]
            problem = Problem(
                np.arange(frame.unknowns), here[b] - there[b], gradient[b], curvature[b], old,
                far[b], sizes_of(curvature[b], old),
            )  # fmt: skip
            found, away = said_of(problem, frame, naming, b)
            messages += found if away is None else [*found, naming.separated(b, *away)]
    return shortened(messages)


def shortened(messages: list[str]) -> tuple[str, ...]:
    """The first few, and how many more there are."""
    rest = len(messages) - _MESSAGES
    if rest > 0:
        messages = [*messages[:_MESSAGES], f"and {rest} more like these"]
    return tuple(messages)


def sizes_of(curvature: Floats, before: Floats) -> Floats:
    """The larger diagonal of two curvatures, (..., m)."""
    found: Floats = np.maximum(
        np.abs(np.diagonal(curvature, axis1=-2, axis2=-1)),
        np.abs(np.diagonal(before, axis1=-2, axis2=-1)),
    )
    return found


def at_zero(point: Point, kinds: tuple[str, ...], held: tuple[Mask | None, ...] | None) -> Point:
    """The point with its real parameters at 0, but for entries that are held."""
    return tuple(
        _at_zero(x, kind, None if held is None else held[i])
        for i, (x, kind) in enumerate(zip(point, kinds, strict=True))
    )


def _at_zero(x: Floats, kind: str, held: Mask | None) -> Floats:
    if kind != "real":
        return x
    return np.zeros_like(x) if held is None else np.where(held, x, 0.0)


def unbounded(objective: Objective, frame: Coordinates, logs: tuple[int, ...]) -> Mask:
    """Entries, (B, n), that are far out and may go on outwards with the objective as high.

    Far out, functions may have lost the digits that their derivatives are made of, so this looks
    at values: of each entry moved alone, and of all that are far moved together.
    """
    found = np.zeros(frame.flat.shape, dtype=np.bool_)
    if not logs:
        return found
    log = np.log(np.maximum(frame.flat, 1e-300))
    logs = tuple(i for i in logs if (np.abs(log[:, i]) > _OUT).any())
    if logs:
        value = frame.values(objective, frame.flat)
    for i in logs:
        moved = frame.flat.copy()
        moved[:, i] *= np.exp(_FURTHER * np.sign(log[:, i]))
        higher = frame.values(objective, moved) >= value - _AS_HIGH
        found[:, i] = higher & (np.abs(log[:, i]) > _OUT) & frame.free[:, i]
    if len(logs) > 1:  # each alone may lose what two of them together don't
        gone = np.zeros(found.shape, dtype=np.bool_)
        gone[:, logs] = np.abs(log[:, logs]) > _OUT
        gone &= frame.free
        moved = frame.flat * np.exp(_FURTHER * np.sign(log) * gone)
        higher = frame.values(objective, moved) >= value - _AS_HIGH
        found |= gone & (higher & (gone.sum(axis=-1) > 1))[:, None]
    return found


def said_of(
    problem: Problem,
    frame: Coordinates,
    naming: Naming,
    b: int,
    lifted: Callable[[Way], Way] | None = None,
) -> tuple[list[str], Way | None]:
    """Messages about problem b or a part of it, and the way to its maximum at infinity, if any.

    lifted : what other entries do, where those of the problem go some way.
    """
    curvature, gradient, entries = problem.curvature, problem.gradient, problem.entries
    messages = []
    count = len(entries)
    looked_at = np.ones(count, dtype=np.bool_) if frame.restricted else frame.free[b, entries]
    place = {int(e): k for k, e in enumerate(entries)} if naming.logs else {}
    for entry in naming.logs:
        i = place.get(entry, -1)
        if i < 0 or not looked_at[i]:
            continue
        size = abs(curvature[i, i])
        step = gradient[i] / max(size, 1e-300)
        idle = abs(gradient[i] * step) < _NO_GAIN
        far = problem.far[i]
        if far or size < _LOOSE or (idle and abs(step) > _FOLDS) or abs(step) > _JUMPS:
            looked_at[i] = False
            log = float(np.log(frame.flat[b, entry]))
            rounding = far or (size < _LOOSE and abs(log) > _FAR)  # is all the gradient is
            messages.append(naming.runaway(b, entry, (log if rounding else gradient[i]) > 0.0))
    left = np.flatnonzero(looked_at)
    if not len(left):
        return messages, None
    a, a0, diagonal = curvature, problem.before, problem.size
    if len(left) < len(a):
        a, a0, diagonal = a[np.ix_(left, left)], a0[np.ix_(left, left)], diagonal[left]
    scale = 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    a, a0 = a * scale[:, None] * scale, a0 * scale[:, None] * scale
    known = np.zeros((0, len(left)))
    if frame.gauge is not None and count == frame.unknowns:
        known = frame.gauge[b % len(frame.gauge)][left].T / scale
    if _is_plain(a, a0, known):
        return messages, None
    _, sizes, right = np.linalg.svd(np.concatenate([a, a0]))
    flat = sizes <= FLAT * max(float(sizes.max()), 1.0)
    if not diagonal.any():
        flat[:] = True

    def spread(scaled: Floats) -> Way:
        """A direction of the entries that are left, among all; and how much each does."""
        whole, weight = np.zeros(frame.unknowns), np.zeros(frame.unknowns)
        whole[entries[left]], weight[entries[left]] = scaled * scale, np.abs(scaled)
        return (whole, weight) if lifted is None else lifted((whole, weight))

    messages += [naming.collinear(b, *spread(v)) for v in _news(right[flat], known)]
    away = _escape(a, a0, gradient[left] * scale, problem.way[left] / scale, right[~flat].T)
    return messages, None if away is None else spread(away)


def _is_plain(a: Floats, a0: Floats, known: Floats) -> bool:
    """Whether nothing is flat and nothing has faded, but along directions that are known (rows).

    Two factorisations tell, where to say what is flat takes a decomposition.
    """
    least = np.diag(np.full(len(a), -2.0 * FLAT * len(a)))
    if len(known):
        length = np.sqrt((known * known).sum(axis=-1, keepdims=True))
        unit = known / np.where(length > 0.0, length, 1.0)
        least += unit.T @ unit
    least += a
    try:
        np.linalg.cholesky(least)
        np.linalg.cholesky(least - LITTLE * a0)
    except np.linalg.LinAlgError:
        return False
    return True


def _news(flat: Floats, known: Floats) -> Floats:
    """A sparse basis, rows, of the flat directions (orthonormal rows) modulo known ones (rows)."""
    inside = (known @ flat.T) @ flat
    length = np.linalg.norm(known, axis=-1)
    lies = (np.linalg.norm(known - inside, axis=-1) <= 1e-6 * length) & (length > 0.0)
    known = known[lies]
    if len(known):
        _, sizes, basis = np.linalg.svd(known, full_matrices=False)
        basis = basis[sizes > 1e-9 * sizes.max()]
        _, sizes, right = np.linalg.svd(flat - (flat @ basis.T) @ basis, full_matrices=False)
        flat = right[sizes > 1e-6]
    rows = np.concatenate([known, flat])
    for r in range(len(rows)):  # reduced row echelon form, by the largest pivots
        pivot = int(np.abs(rows[r]).argmax())
        if not abs(rows[r, pivot]) > 1e-9:  # known ones that say the same
            rows[r] = 0.0
            continue
        rows[r] /= rows[r, pivot]
        others = np.arange(len(rows)) != r
        rows[others] -= rows[others, pivot][:, None] * rows[r]
    rows[np.abs(rows) < 1e-6] = 0.0
    return rows[len(known) :]


def _escape(a: Floats, a0: Floats, g: Floats, way: Floats, basis: Floats) -> Floats | None:
    """The direction, (n,), in which the maximum is at infinity, or None.

    a, a0 : curvatures here and where the real parameters are 0; way : from there to here;
    basis : (n, k), the directions that do change something.
    """
    values, vectors = np.linalg.eigh(basis.T @ a0 @ basis)
    curved = values > FLAT * max(float(np.abs(values).max(initial=0.0)), 1e-300)
    if not curved.any():
        return None
    root = np.sqrt(values[curved])
    whiten = basis @ (vectors[:, curved] / root)
    left, turns = np.linalg.eigh(whiten.T @ a @ whiten)
    slope = turns.T @ (whiten.T @ g)
    come = turns.T @ (root * (vectors[:, curved].T @ (basis.T @ way)))
    step = slope / np.where(np.abs(left) > 0.0, np.abs(left), 1.0)
    outwards = step * np.sign(come) > _PART * np.abs(come)
    # A maximum whose spread is less than the way come is one, however steep it was at 0: there
    # the data may have been far from their scale.
    gone = (np.abs(left) <= _GONE) & (np.abs(left) * come * come < _NO_GAIN)
    fading = (np.abs(left) <= LITTLE) & outwards & (slope * step < _NO_GAIN)
    found = (gone | fading) & (come != 0.0)
    if not found.any():
        return None
    away: Floats = whiten @ (turns[:, found] @ come[found])
    return away
