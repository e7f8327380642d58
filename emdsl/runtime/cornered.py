"""Newton's method where absolute deviations stand beside what has derivatives: the lasso's problem.

    Q(x) - sum_n c[n] |b[n] - a[:, n] . x|

Each step is to where Q's second-order model and the deviations as they are have their maximum
together, which puts coefficients exactly to zero, and is shortened until the objective rises enough
(proximal Newton steps: Lee, Sun and Saunders, SIAM J. Optim. 24, 2014; Friedman, Hastie and
Tibshirani, J. Stat. Softw. 33, 2010).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emdsl.runtime.bent import least_bent
from emdsl.runtime.coordinates import Coordinates
from emdsl.runtime.descent import least_with_squares
from emdsl.runtime.deviations import Table, counted, is_apart, table_of
from emdsl.runtime.diagnosis import diagnose
from emdsl.runtime.objective import Floats, Mask, Point, Slopes
from emdsl.runtime.rules import fixed_of, rules_of

if TYPE_CHECKING:
    from emdsl.runtime.numeric import Share

_ALL = 200  # steps where nothing is latent
_TOL = 1e-13  # of a value: what a last step may promise to gain
_ARMIJO = 1e-4  # Nocedal and Wright 2006, section 3.1
_HALVINGS = 60
_FLAT = 1e-9  # a curvature relative to the largest, after scaling to a unit diagonal
_ROUNDING = 4e-15


def climb_cornered(share: Share) -> tuple[Floats, ...]:
    """The block's parameters at a higher objective, or at its maximum after enough steps."""
    kinks = _Kinks(share)
    start = share.start()
    with np.errstate(all="ignore"):
        if share.statistics.notes is not None:
            share.statistics.notes.extend(kinks.wrong(start))
            return share.stored(start)
        if share.statistics.thorough:
            zero = share.zero()
            better = kinks.value(zero) > kinks.value(start)
            better |= ~np.isfinite(kinks.value(start))
            start = tuple(
                np.where(better.reshape(better.shape + (1,) * (a.ndim - better.ndim)), b, a)
                for a, b in zip(start, zero, strict=True)
            )
        steps = _ALL if share.statistics.thorough else share.block.steps
        return share.stored(_climb(share, kinks, start, steps))


class _Kinks:
    """A block's share of Q less its deviations, an `Objective` with derivatives between corners."""

    def __init__(self, share: Share) -> None:
        block = share.block
        start = share.start()
        self.share = share
        self.lead = start[0].shape[: block.batch]
        own = tuple(x.shape[block.batch :] for x in start)
        table = table_of(block.corners, block.batch, share.statistics, share.values, own)
        # of each problem: weights (R,), targets (R,) and designs (n, R)
        self.rows = [counted(_in_unit(table, share.unit), at) for at in np.ndindex(*self.lead)]

    def deviations(self, flat: Floats) -> Floats:
        """The sum of each problem, (B,), at flat parameters (B, n)."""
        return np.array([
            weight @ np.abs(target - x @ design)
            for x, (weight, target, design) in zip(flat, self.rows, strict=True)
        ])  # fmt: skip

    def _flat(self, point: Point) -> Floats:
        return np.concatenate([np.reshape(x, (len(self.rows), -1)) for x in point], axis=-1)

    def value(self, point: Point) -> Floats:
        smooth = np.reshape(self.share.value(point), self.lead)
        return np.asarray(smooth - np.reshape(self.deviations(self._flat(point)), self.lead))

    def slopes(self, point: Point, second: bool) -> Slopes:
        """As if each deviation were a square of its own curvature, at rest where it is.

        What that leaves undetermined, or without end, the deviations do as well.
        """
        found = self.share.slopes(point, second)
        flat = self._flat(point)
        touched = np.stack([(design != 0.0).any(axis=-1) for _, _, design in self.rows])
        gradient = np.concatenate(
            [np.reshape(g, (len(self.rows), -1)) for g in found.gradient], axis=-1
        )
        gradient = np.where(touched, 0.0, gradient)
        ends = np.cumsum([np.size(x) // len(self.rows) for x in point])[:-1]
        parts = np.split(gradient, ends, axis=-1)
        first = tuple(np.reshape(g, x.shape) for g, x in zip(parts, point, strict=True))
        if not found.second:
            return Slopes(first, value=found.value)
        squares = np.stack([(weight * design) @ design.T for weight, _, design in self.rows])
        bounds = [0, *ends, flat.shape[-1]]
        hessian = tuple(
            tuple(
                block - np.reshape(
                    squares[:, bounds[i] : bounds[i + 1], bounds[j] : bounds[j + 1]], block.shape
                )
                for j, block in enumerate(row)
            )
            for i, row in enumerate(found.grid())
        )  # fmt: skip
        return Slopes(first, hessian, found.value)

    def held(self) -> tuple[Mask, ...] | None:
        """The entries that are fixed, or None."""
        if rules_of(self.share) is None:
            return None
        return tuple(fixed_of(self.share, i) for i in range(len(self.share.block.params)))

    def wrong(self, point: Point) -> tuple[str, ...]:
        """What is wrong with a maximum, in words."""
        block = self.share.block
        return diagnose(self, point, block.kinds, block.params, block.batch, held=self.held())


def _in_unit(table: Table, unit: float) -> Table:
    return table._replace(weight=unit * table.weight)


def _climb(share: Share, kinks: _Kinks, start: Point, steps: int) -> Point:
    block = share.block
    frame = Coordinates(start, block.kinds, block.batch, kinks.held())
    phi, flat = frame.first()
    value = frame.values(share, flat) - kinks.deviations(flat)
    for _ in range(steps):
        slopes = share.slopes(frame.point(flat), True)
        gradient, curvature = frame.gradient(flat, slopes), frame.curvature(flat, slopes)
        step = np.zeros_like(phi)
        for b in range(frame.problems):
            if np.isfinite(value[b]) and np.isfinite(gradient[b]).all():
                step[b] = _step(gradient[b], curvature[b], flat[b], frame.free[b], kinks.rows[b])
        gain = (gradient * step).sum(axis=-1)
        gain += kinks.deviations(flat) - kinks.deviations(flat + step)
        going = gain > _TOL * (1.0 + np.abs(value))
        last = not (gain > np.sqrt(_TOL) * (1.0 + np.abs(value))).any()
        part = np.where(gain > 0.0, 1.0, 0.0)
        noise = _ROUNDING * (1.0 + np.abs(value))
        for _ in range(_HALVINGS):
            there = phi + part[:, None] * step
            moved = frame.natural(there)
            new = frame.values(share, moved) - kinks.deviations(moved)
            low = ~(new >= value + _ARMIJO * part * gain - noise) & (part > 0.0)
            if not low.any():
                break
            part = np.where(low, 0.5 * part, part)
        else:
            part = np.where(low, 0.0, part)
            there = phi + part[:, None] * step
            moved = frame.natural(there)
            new = np.where(part > 0.0, new, value)
        phi, flat, value = there, moved, new
        if not going.any() or (last and not (part * gain > noise).any()):
            break
    return frame.point(flat)


def _step(
    gradient: Floats, curvature: Floats, here: Floats, free: Mask, rows: tuple[Floats, ...]
) -> Floats:
    """From one point (n,) to where the model and the deviations are highest together.

    The deviations are of real parameters, whose coordinates are they themselves.
    """
    out = np.zeros_like(here)
    weight, target, design = rows
    at = np.flatnonzero(free)
    if not len(at):
        return out
    bend = _positive(curvature[np.ix_(at, at)])
    left = target - here[free] @ design[free] - here[~free] @ design[~free]
    used = (design[free] != 0.0).any(axis=0)
    own, left, weight = design[np.ix_(free, used)], left[used], weight[used]
    # the unknown is the way from here
    least = least_with_squares if is_apart(own) else least_bent
    found = least(own, left, weight, gradient[at], bend, np.zeros(len(at)))
    if found is not None and np.isfinite(found).all():
        out[at] = _exact(found, here[at], own, left)
    return out


def _exact(way: Floats, here: Floats, design: Floats, left: Floats) -> Floats:
    """The way with coefficients that it takes to a corner of their own exactly there."""
    alone = np.flatnonzero((design != 0.0).sum(axis=0) == 1)
    j = np.argmax(design[:, alone] != 0.0, axis=0)
    to = left[alone] / design[j, alone]
    near = np.abs(way[j] - to) <= 1e-14 * np.maximum(np.abs(to), np.abs(here[j]))
    way[j[near]] = to[near]
    return way


def _positive(curvature: Floats) -> Floats:
    """With the sizes of its eigenvalues, and something where it is flat."""
    diagonal = np.abs(np.diagonal(curvature))
    scale = np.sqrt(np.where(diagonal > 0.0, diagonal, 1.0))
    scaled = curvature / np.outer(scale, scale)
    try:
        np.linalg.cholesky(scaled - _FLAT * len(scaled) * np.eye(len(scaled)))
    except np.linalg.LinAlgError:
        pass
    else:
        return curvature
    values, vectors = np.linalg.eigh(scaled)
    sizes = np.maximum(np.abs(values), _FLAT * max(float(np.abs(values).max()), 1.0))
    return np.asarray((vectors * sizes) @ vectors.T * np.outer(scale, scale))
