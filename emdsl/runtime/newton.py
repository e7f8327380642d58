"""Maximises the numeric blocks of an M-step: damped Newton in unconstrained coordinates.

Many problems of one size are solved together, each with its own line search. No step is taken
that lowers a problem's value beyond rounding, and no point is returned below the start, so that a
generalised EM step stays monotone (Dempster, Laird and Rubin 1977, section 1).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from emdsl.runtime.arrow import arrow
from emdsl.runtime.coordinates import Coordinates
from emdsl.runtime.curve import Curve
from emdsl.runtime.diagnosis import diagnose
from emdsl.runtime.objective import Floats, Mask, Objective, Point, Restriction, Slopes
from emdsl.runtime.rough import Rough
from emdsl.runtime.tied import Arms

__all__ = [
    "LARGE",
    "LARGEST",
    "TOL",
    "Objective",
    "Restriction",
    "Rough",
    "Slopes",
    "diagnose",
    "maximise",
]

LARGE = 300  # unknowns of one problem from which its Hessian isn't worth forming at each iteration
LARGEST = 1000  # nor once and for all

TOL = 1e-12  # of a value: what a last step may promise to gain
_ROUNDING = 64 * np.finfo(np.float64).eps  # of a value: a sum of many terms of about its size
_ARMIJO = 1e-4  # Nocedal and Wright 2006, section 3.1
_SHORTEST = 1e-20  # part of a step
_MOST = 1e6  # of a value: more gain than this is a curvature that has vanished by the wayside
_AS_PROMISED = 0.05  # of the promised gain: so little off, the Hessian serves once more
_SLOWEST = 0.04  # of the gain promised before: a chord step that promises more is not taken
_PATIENT = 0.5  # the second of those
_STALE = 0.25  # the first of a rough Hessian of the start, far off: another is worth a few steps
_SMALL_SHARE = 0.125  # of all rows: a part's Hessian that costs far less than that of all
_MENDED = 0.45  # the first where gradients mend it from the beginning
_FEW = 8  # unknowns up to which a Hessian costs about what a gradient does
_CHEAP = 20  # unknowns whose Hessian costs twice what a gradient does
_AFTERWARDS = 4  # steps by a new Hessian
_ENOUGH = 1e-13  # of a value: what is left to gain where there are many rows
_UNSEEN = _ROUNDING  # of a value: what is left to gain where it costs little to go on
_TRACELESS = 1e-3 * _UNSEEN  # the same where it falls bit by bit
_NOTHING = 1e-7 * _ROUNDING  # of a value: too little to be worth finding the value after the step
_SMALL = 0.01  # of a value: less is likely to be what is gained
_LEAP = 30.0
_TRIFLE = 1e-5  # of a value
_DOUBT = 100.0  # gradients far out are differences of numbers as large, times a step
_DROWNED = 1e-11  # of a value: rounding of so much is that of terms that cancel
_LAST_DIGITS = (1.0 + 7e-16, 1.0 - 9e-16, 1.0 + 2e-15)
_MORE_DIGITS = (*_LAST_DIGITS, 1.0 + 3e-13, 1.0 - 8e-13, 1.0 + 2e-12)
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
    rough: Rough | None = None,
    tol: float = TOL,
    cheap: bool = False,
    final: bool = False,
    arms: Arms | None = None,
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
    rough : nearly the same objective, whose Hessian is cheaper: steps are by that, as long as each
        promises far less than the one before it.
    cheap : whether the Hessian costs next to nothing: then every step has its own.
    arms : the groups that unknowns go by, where the objective's Hessians are `tied`: any number of
        unknowns has Newton's steps then. Not with a restriction.
    tol : stop where the gain that Newton's step promises is below tol * (1 + |value|). That step
        is still taken.

    final: whether nothing follows, as where nothing is latent: then it is enough that what is left
        to gain can't be seen, and a step that leaves no more isn't looked at. (Another iteration of
        EM begins where this ends, and should find it no lower.)

    A problem whose start has no finite value or gradient is left there. The result may share
    memory with the start. With more than LARGE unknowns to a problem (LARGEST where nothing
    follows), and no arms, it is L-BFGS that climbs, which does not know the scales of the
    parameters: covariates should be of about one size.
    """
    frame = Coordinates(start, kinds, batch, held, restriction, shift)
    if not frame.problems or not frame.unknowns:
        return frame.point(frame.first()[1])
    with np.errstate(all="ignore"):
        if frame.unknowns > (LARGEST if final else LARGE) and arms is None:
            from emdsl.runtime.quasi import climb

            return frame.point(climb(objective, frame, steps, tol))
        return frame.point(_newton(objective, frame, steps, tol, rough, cheap, final, arms))


def _newton(
    objective: Objective,
    frame: Coordinates,
    steps: int,
    tol: float,
    rough: Rough | None,
    cheap: bool,
    final: bool,
    arms: Arms | None,
) -> Floats:
    """The flat parameters after at most `steps` steps, (B, n).

    Where a step gained what its Hessian promised, the next one is along the new gradient by the
    same Hessian, mended by what the gradients have shown since (a chord step), as long as each
    promises far less than the one before it. Such steps get the gradient together with the value.

    What will be left to gain after a step is foretold: by its own Hessian errors are squared, so
    that lambda' / lambda is the square of what it was one step before (lambda^2 is the gain that is
    promised: Newton's decrement, Boyd and Vandenberghe 2004, section 9.5.3); by an older one they
    fall as they did. A step after which there is nothing isn't looked at, where the one before it
    gained what was promised, a larger one by a curvature no better.
    """
    free, first = frame.first()
    slopes: Slopes | None = objective.slopes(frame.point(first), rough is None)
    assert slopes is not None
    at = _Place(free, first, frame.valued(objective, first, slopes))
    first_values = at.values
    active: Mask = np.isfinite(at.values)
    patience = _Patience.of(frame.unknowns)
    curve: Curve | None = None
    promised: Floats | None = None
    newtons: Floats | None = None  # what the last step promised, if by its own Hessian, and kept
    trusted = False  # the promise of the step to come
    before: tuple[Floats, Floats] | None = None  # where the last gradient was, and what it was
    if rough is not None and active.any():
        begun = rough.curve(frame, first)
        if begun.sound.all():
            curve, promised, patience = begun, np.full(len(at.values), np.inf), _ROUGH
            trusted = True
    again = trusted  # whether a rough Hessian may be replaced by another
    renewed = False  # whether the one of the start has been
    pace = _Pace.of(at.values, 0, frame.unknowns)
    for count in range(1, steps + 1):
        if not active.any():
            break
        if slopes is None or (curve is None and not slopes.second):
            slopes = objective.slopes(frame.point(at.flat), curve is None)
        gradient = frame.gradient(at.flat, slopes)
        if curve is None:
            curve = _curve(frame, at.flat, slopes, arms)
        elif before is not None:
            curve.learn(at.here - before[0], before[1] - gradient)
        step, gain = curve.step(frame, gradient, active)
        if count == 1:
            pace = _Pace.of(gain, count, frame.unknowns)
        slowest = _STALE if again and not renewed else patience.slowest
        slow = promised is not None and (active & (gain > slowest * promised)).any()
        if slow and again and rough is not None and rough.share < _SMALL_SHARE:
            curve, again, renewed = rough.curve(frame, at.flat), False, True
            step, gain = curve.step(frame, gradient, active)
            pace = _Pace.of(gain, count, frame.unknowns)
        elif slow or (patience is _ROUGH and pace.is_slow(gain, count, at.values, active)):
            slopes = objective.slopes(frame.point(at.flat), True)
            curve = _curve(frame, at.flat, slopes, arms)
            step, gain = curve.step(frame, gradient, active)
            promised, patience = None, _Patience.of(frame.unknowns)
        else:
            again = patience is _ROUGH
        least = _NOTHING if promised is None or rough is not None else _LESS
        active = active & (gain > least * np.abs(at.values))
        active &= ~_wanders(objective, frame, at, step, gain, gradient)
        if not active.any():
            break
        step[~active] = 0.0
        size = 1.0 + np.abs(at.values)
        if promised is None:
            last = _ends_by_own(gain, newtons if final else None, tol, size)
        else:
            trace = _TRACELESS if final else 0.01 * tol**2
            last = _ends_as_before(gain, promised, trace if rough is None else _ENOUGH, size)
        whole = not (gain > _MOST * size).any()
        if not whole:
            shorter = np.minimum(1.0, _MOST * size / np.maximum(gain, size))
            step, gain = step * shorter[:, None], gain * shorter
        done = bool((last | ~active).all())
        kept = trusted and (newtons is not None or before is not None)
        if final and done and kept and whole and frame.unbroken:
            here = at.here + step
            at = _moved(at, active, here, frame.natural(here), at.values + 0.5 * gain)
            break
        ends = count == steps or done
        old, before = at, (at.here, gradient)
        near = trusted or cheap or not (active & (gain > _SMALL * size)).any()
        second = None if ends or not near else cheap
        at, went, slopes = _search(objective, frame, at, step, gain, active, second)
        active = went & ~last
        off = np.abs(at.values - old.values - 0.5 * gain) - _ROUNDING * np.abs(at.values)
        trusted = whole and not (active & (off > patience.off * gain)).any()
        newtons = gain if trusted and promised is None else None
        if trusted and not cheap:
            promised = gain
        else:
            curve, promised, before, patience = None, None, None, _Patience.of(frame.unknowns)
    lower = at.values < first_values
    return np.where(lower[:, None], first, at.flat) if lower.any() else at.flat


def _ends_by_own(gain: Floats, before: Floats | None, tol: float, size: Floats) -> Mask:
    """Whether a step by its own Hessian is the last: the error after it is the square."""
    last: Mask = gain <= 2.0 * tol * size
    if before is not None:
        last |= gain * (gain / before) ** 2 <= _UNSEEN * size
    return last


def _ends_as_before(gain: Floats, promised: Floats, least: float, size: Floats) -> Mask:
    """Whether a step by an older Hessian is the last: the error falls as it did."""
    known = np.where(np.isfinite(promised), promised, 1.0)
    last: Mask = gain * (gain / known) <= least * size
    return last


class _Pace(NamedTuple):
    """How fast the gains fall that steps by one rough Hessian promise.

    most, since : the first gain, and which step that was. (It falls most at first, and later ones
        profit of the pairs that are learned: the last fall alone would mislead either way.)
    few : how many passes over all rows a new Hessian takes, with the steps that follow it.
    """

    most: Floats
    since: int
    few: float

    @classmethod
    def of(cls, gain: Floats, count: int, unknowns: int) -> _Pace:
        return cls(gain, count, unknowns / _CHEAP + _AFTERWARDS)

    def is_slow(self, gain: Floats, count: int, values: Floats, active: Mask) -> bool:
        """Whether going on takes more passes than that."""
        if count < self.since + 2:
            return False
        fall = np.log(self.most / gain) / (count - self.since)
        left = np.log(gain / (_ENOUGH * (1.0 + np.abs(values))))
        return bool((active & (left > self.few * fall)).any())


class _Patience(NamedTuple):
    """With chord steps: the part of the gain promised before that one may promise, and how far the
    gain may be off, as a part of what was promised.
    """

    slowest: float
    off: float

    @classmethod
    def of(cls, unknowns: int) -> _Patience:
        """The more unknowns, the more a new Hessian costs beside a gradient."""
        more = max(1.0, unknowns / _FEW)
        return cls(min(_SLOWEST * more, _PATIENT), min(_AS_PROMISED * more, _MENDED))


_ROUGH = _Patience(_PATIENT, _MENDED)  # of a Hessian that is rough from the beginning


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
    what it was, as where data are separated, while its own size again would bring nothing. Where
    functions cancel (a negative binomial's that is nearly a Poisson's), any step for a gain that
    drowns in that: it would go on to where the objective of the whole fit is rounding, too.
    """
    size = 1.0 + np.abs(at.here)
    leaps: Mask = np.abs(step).max(axis=-1) > _LEAP * size.max(axis=-1)
    if frame.jumps is None and not leaps.any():
        return leaps
    value = 1.0 + np.abs(at.values)
    near = (np.abs(gradient) * size).sum(axis=-1)
    idle: Mask = leaps & ((gain <= _TRIFLE * value) | (near <= 1e-4 * _TRIFLE * value))
    if frame.jumps is not None:
        wide = (np.abs(frame.moved(step)) / frame.jumps).max(axis=-1) > _IDLE
        if wide.any():
            idle |= wide & (gain <= _uncertain(objective, frame, at, _LAST_DIGITS))
        slight = gain <= _TRIFLE * value
        if slight.any() and frame.is_far(at.flat):
            noise = _uncertain(objective, frame, at, _MORE_DIGITS)
            idle |= slight & (noise > _DROWNED * np.abs(at.values)) & (gain <= noise)
    return idle


def _uncertain(
    objective: Objective, frame: Coordinates, at: _Place, digits: tuple[float, ...]
) -> Floats:
    """How much of each value may be rounding, (B,).

    A value is a sum of numbers of about its size, except far out, where functions cancel: there
    it is what it changes by where the parameters change in their last digits.
    """
    noise: Floats = _ROUNDING * np.abs(at.values)
    if frame.is_far(at.flat):
        for last in digits:
            change = frame.values(objective, at.flat * last) - at.values
            noise = np.maximum(noise, _DOUBT * np.abs(change))
    return noise


def _curve(frame: Coordinates, flat: Floats, slopes: Slopes, arms: Arms | None) -> Curve:
    if arms is not None:
        return Curve(arrow(frame, flat, slopes, arms))
    return Curve(frame.settled(frame.curvature(flat, slopes)))


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
    second: bool | None,
) -> tuple[_Place, Mask, Slopes | None]:
    """Backtracks along each problem's step until it is high enough; who moved at all.

    gain : the slope along the whole step, (B,). A problem gives up where the gain that is left
        to find drowns in the rounding of its value. Those that found their place wait there.
    second : where not None, the value at the end of the whole step comes with the gradient, and
        with the Hessian if True. They are returned where that is where all that moved ended.
    """
    noise = _ROUNDING * np.abs(at.values)
    length = np.ones_like(gain)
    waiting = active
    slopes: Slopes | None = None
    while True:
        here = at.here + length[:, None] * step
        flat = frame.natural(here)
        if second is not None:
            slopes = objective.slopes(frame.point(flat), second)
            values = frame.valued(objective, flat, slopes)
            second = None
        else:
            slopes = None
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
                return at, active, None
    return _moved(at, active, here, flat, values), active, slopes


def _moved(at: _Place, active: Mask, here: Floats, flat: Floats, values: Floats) -> _Place:
    """The new place of those that are active, the old one of the others."""
    if active.all():
        return _Place(here, flat, values)
    went = active[:, None]
    return _Place(
        np.where(went, here, at.here),
        np.where(went, flat, at.flat),
        np.where(active, values, at.values),
    )


def _shorter(old: Floats, new: Floats, gain: Floats) -> Floats:
    """By how much to shorten: to the top of the parabola through both values and the slope."""
    bend = old + gain - new
    top = np.where(np.isfinite(bend) & (bend > 0.0), 0.5 * gain / bend, 0.1)
    return np.clip(top, 0.1, 0.5)
