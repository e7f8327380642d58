"""Maximises the numeric blocks of an M-step: damped Newton in unconstrained coordinates.

Many problems of one size are solved together, each with its own line search. No step is taken
that lowers a problem's value beyond rounding, and no point is returned below the start, so that a
generalised EM step stays monotone (Dempster, Laird and Rubin 1977, section 1).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from emdsl.runtime.ascent import direction
from emdsl.runtime.coordinates import Coordinates
from emdsl.runtime.diagnosis import diagnose
from emdsl.runtime.objective import Floats, Mask, Objective, Point, Restriction, Slopes

__all__ = ["LARGE", "Objective", "Restriction", "Slopes", "diagnose", "maximise"]

LARGE = 300  # unknowns of one problem from which its Hessian is not worth forming

_TOL = 1e-12
_ROUNDING = 64 * np.finfo(np.float64).eps  # of a value: a sum of many terms of about its size
_ARMIJO = 1e-4  # Nocedal and Wright 2006, section 3.1
_SHORTEST = 1e-20  # part of a step
_MOST = 1e6  # of a value: more gain than this is a curvature that has vanished by the wayside
_AS_PROMISED = 0.05  # of the promised gain: so little off, the Hessian serves once more
_ROUGHLY = 0.25  # the same of a rough Hessian, whose steps cost so much less
_PATIENT = 0.3  # and `_SLOWEST` of one
_ENOUGH = 1e-16  # of a value: what is left to gain where there are many rows
_SLOWEST = 0.04  # of the gain promised before: a chord step that promises more is not taken
_NOTHING = 1e-7 * _ROUNDING  # of a value: too little to be worth finding the value after the step
_LEAP = 30.0
_TRIFLE = 1e-5  # of a value
_DOUBT = 100.0  # gradients far out are differences of numbers as large, times a step
_LAST_DIGITS = (1.0 + 7e-16, 1.0 - 9e-16, 1.0 + 2e-15)
_IDLE = 0.0125  # of the longest step: more than that with nothing to gain leads nowhere
_LESS = 1e-8 * _NOTHING  # a chord step doesn't square the error that is left


def maximise(
    objective: Objective,
    start: Point,
    kinds: tuple[str, ...],
    batch: int,
    *,
    steps: int,
    held: tuple[Mask | None, ...] | None = None,
    restriction: Restriction | None = None,
    shift: tuple[int | None, ...] | None = None,
    rough: Objective | None = None,
    tol: float = _TOL,
) -> Point:
    """Points at least as high as the start, and after enough steps at a local maximum.

    start : parameter i is (*batch, *own_i); `batch` is how many axes the batch has.
    kinds : "real", "positive", "unit", "ordered" or "simplex" for each parameter.
    steps : at most so many Newton steps.
    held : masks of entries that stay as they are.
    restriction : equations that the result obeys (one problem only). A start that doesn't is
        brought to obey it first, and the promise not to go lower is from there.
    shift : for each parameter the own axis along which adding one number to all entries changes
        nothing, or None; see `Coordinates`. Not needed, but it saves an eigendecomposition.
    rough : nearly the same objective, whose Hessian is cheaper: the first steps are by that, as
        long as they gain what they promise.
    tol : stop where the gain that Newton's step promises is below tol * (1 + |value|). That step
        is still taken.

    A problem whose start has no finite value or gradient is left there. The result may share
    memory with the start. With more than LARGE unknowns to a problem it is L-BFGS that climbs,
    which does not know the scales of the parameters: covariates should be of about one size.
    """
    frame = Coordinates(start, kinds, batch, held, restriction, shift)
    if not frame.problems or not frame.unknowns:
        return frame.point(frame.first()[1])
    with np.errstate(all="ignore"):
        if frame.unknowns > LARGE:
            from emdsl.runtime.quasi import climb

            return frame.point(climb(objective, frame, steps, tol))
        return frame.point(_newton(objective, frame, steps, tol, rough))


def _newton(
    objective: Objective, frame: Coordinates, steps: int, tol: float, rough: Objective | None
) -> Floats:
    """The flat parameters after at most `steps` steps, (B, n).

    Where a step gained what its Hessian promised, the next one is along the new gradient by the
    same Hessian (a chord step), as long as each promises far less than the one before it.
    """
    here, flat = frame.first()
    values = frame.values(objective, flat)
    first, first_values = flat, values
    active: Mask = np.isfinite(values)
    curvature: Floats | None = None
    promised: Floats | None = None
    slowest = _SLOWEST
    if rough is not None and active.any():
        near = _Found.of(frame, flat, rough.slopes(frame.point(flat), True), None)
        if near.sound.all():
            curvature, promised, slowest = near.curvature, np.full(len(values), np.inf), _PATIENT
    for _ in range(steps):
        if not active.any():
            break
        found = _Found.of(frame, flat, objective.slopes(frame.point(flat), curvature is None),
                          curvature)  # fmt: skip
        step, gain = found.step(frame, active)
        if promised is not None and (active & (gain > slowest * promised)).any():
            found = _Found.of(frame, flat, objective.slopes(frame.point(flat), True), None)
            step, gain = found.step(frame, active)
            promised, slowest = None, _SLOWEST
        least = _NOTHING if promised is None or rough is not None else _LESS
        active = active & (gain > least * np.abs(values))
        active &= ~_wanders(
            objective, frame, _Place(here, flat, values), step, gain, found.gradient
        )
        if not active.any():
            break
        step[~active] = 0.0
        size = 1.0 + np.abs(values)
        if promised is None:  # the error after it is the square of what it is
            last = gain <= 2.0 * tol * size
        else:  # the error falls as it did
            known = np.where(np.isfinite(promised), promised, 1.0)
            ahead = 0.01 * tol**2 if rough is None else _ENOUGH
            last = gain * (gain / known) <= ahead * size
        whole = not (gain > _MOST * size).any()
        if not whole:
            shorter = np.minimum(1.0, _MOST * size / np.maximum(gain, size))
            step, gain = step * shorter[:, None], gain * shorter
        at = _Place(here, flat, values)
        (here, flat, values), went = _search(objective, frame, at, step, gain, active)
        active = went & ~last
        off = np.abs(values - at.values - 0.5 * gain) - _ROUNDING * np.abs(values)
        near_enough = _AS_PROMISED if slowest == _SLOWEST else _ROUGHLY
        good = whole and not (active & (off > near_enough * gain)).any()
        if good:
            curvature, promised = found.curvature, gain
        else:
            curvature, promised, slowest = None, None, _SLOWEST
    lower = values < first_values
    return np.where(lower[:, None], first, flat) if lower.any() else flat


def _wanders(
    objective: Objective,
    frame: Coordinates,
    at: _Place,
    step: Floats,
    gain: Floats,
    gradient: Floats,
) -> Mask:
    """Who would go far for next to nothing, along a curvature that has vanished, (B,).

    A log on its way out by a gradient that is rounding; a real number to where it is many times
    what it was, as where data are separated, while its own size again would bring nothing.
    """
    size = 1.0 + np.abs(at.here)
    value = 1.0 + np.abs(at.values)
    leaps: Mask = np.abs(step).max(axis=-1) > _LEAP * size.max(axis=-1)
    near = (np.abs(gradient) * size).sum(axis=-1)
    idle: Mask = leaps & ((gain <= _TRIFLE * value) | (near <= 1e-4 * _TRIFLE * value))
    if frame.jumps is not None:
        wide = (np.abs(frame.moved(step)) / frame.jumps).max(axis=-1) > _IDLE
        if wide.any():
            idle |= wide & (gain <= _uncertain(objective, frame, at.flat, at.values))
    return idle


def _uncertain(objective: Objective, frame: Coordinates, flat: Floats, values: Floats) -> Floats:
    """How much of each value may be rounding, (B,).

    A value is a sum of numbers of about its size, except far out, where functions cancel: there
    it is what it changes by where the parameters change in their last digits.
    """
    noise: Floats = _ROUNDING * np.abs(values)
    if frame.is_far(flat):
        for last in _LAST_DIGITS:
            noise = np.maximum(
                noise, _DOUBT * np.abs(frame.values(objective, flat * last) - values)
            )
    return noise


class _Found(NamedTuple):
    """Derivatives in free coordinates: the gradient (B, m), the negative Hessian (B, m, m)."""

    gradient: Floats
    curvature: Floats
    sound: Mask

    @classmethod
    def of(cls, frame: Coordinates, flat: Floats, slopes: Slopes, known: Floats | None) -> _Found:
        """`known` is the curvature of an earlier step, to be used again."""
        gradient = frame.gradient(flat, slopes)
        sound = np.asarray(np.isfinite(gradient).all(axis=-1))
        if known is None:
            known = frame.curvature(flat, slopes)
            sound &= np.isfinite(known).all(axis=(-2, -1))
            known = frame.settled(known)
        return cls(gradient, known, sound)

    def step(self, frame: Coordinates, active: Mask) -> tuple[Floats, Floats]:
        """The step of each problem (B, m), and the slope of its value along it; 0 where none."""
        sound = self.sound & active
        if sound.all():
            step = direction(self.curvature, self.gradient)
        else:
            step = np.zeros_like(self.gradient)
            step[sound] = direction(self.curvature[sound], self.gradient[sound])
        if frame.jumps is not None:
            longest = (np.abs(frame.moved(step)) / frame.jumps).max(axis=-1)
            if longest.max() > 1.0:
                step /= np.maximum(longest, 1.0)[:, None]
        gain = (self.gradient * step).sum(axis=-1)
        return step, np.where(sound & np.isfinite(gain), gain, 0.0)


class _Place(NamedTuple):
    """Free coordinates (B, m), the parameters flat (B, n), and the values (B,)."""

    here: Floats
    flat: Floats
    values: Floats


def _search(
    objective: Objective,
    frame: Coordinates,
    at: _Place,
    step: Floats,
    gain: Floats,
    active: Mask,
) -> tuple[_Place, Mask]:
    """Backtracks along each problem's step until it is high enough; who moved at all.

    gain : the slope along the whole step, (B,). A problem gives up where the gain that is left
        to find drowns in the rounding of its value. Those that found their place wait there.
    """
    noise = _ROUNDING * np.abs(at.values)
    length = np.ones_like(gain)
    waiting = active
    while True:
        here = at.here + length[:, None] * step
        flat = frame.natural(here)
        values = frame.values(objective, flat)
        high = values >= at.values + _ARMIJO * length * gain - noise
        waiting = waiting & ~(high & np.isfinite(values))
        if not waiting.any():
            break
        length = np.where(waiting, length * _shorter(at.values, values, length * gain), length)
        lost = waiting & ((length * gain <= noise) | (length < _SHORTEST))
        if lost.any():
            length[lost], active, waiting = 0.0, active & ~lost, waiting & ~lost
            if not active.any():
                return at, active
    if active.all():
        return _Place(here, flat, values), active
    went = active[:, None]
    return _Place(
        np.where(went, here, at.here),
        np.where(went, flat, at.flat),
        np.where(active, values, at.values),
    ), active


def _shorter(old: Floats, new: Floats, gain: Floats) -> Floats:
    """By how much to shorten: to the top of the parabola through both values and the slope."""
    bend = old + gain - new
    top = np.where(np.isfinite(bend) & (bend > 0.0), 0.5 * gain / bend, 0.1)
    return np.clip(top, 0.1, 0.5)
