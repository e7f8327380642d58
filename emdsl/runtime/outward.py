"""Finds likelihoods without a bound in positive parameters of numeric blocks, and in matrices of
latent ones.

A scale on its way to 0, or a shape to infinity, may approach a limit that the data are as likely
under (a negative binomial that becomes a Poisson), or make one observation infinitely likely. The
formulas of such blocks aren't read: it is the objective further out that tells. So it is of what
latent matrices are drawn with, whose columns may have any unit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdsl.runtime.creeping import latent_scales
from emdsl.runtime.gather import cell_text
from emdsl.runtime.program import Floats, Meta, Params, Program

_DENSITIES = ("real", "positive", "unit", "simplex", "posdef")  # of what there is no probability
_FAR = 11.5  # e-folds from the reference: 1e-10 in a variance, as `guard` has it
_ANYWHERE = 100.0  # e-folds from 1 that no unit of measurement explains
_DIGITS = 14.0  # e-folds from 1 from which functions such as lgamma cancel
_SURELY = 16.0
_EACH = 0.5  # in the objective, for an e-fold
_MOVING = 0.1  # e-folds in one iteration
_FURTHER = 3.0  # e-folds to look ahead
GAIN = 1.0  # in the objective, over those: an observation that sits at its peak gives 3


@dataclass(frozen=True, slots=True)
class Suspect:
    """An entry that has gone far: where it is, and the parameters a little further out.

    `back` are the parameters with the entry alone where it was, `folds` e-folds nearer; None where
    it has hardly moved, or isn't beyond all doubt far. `along` are those with it and everything
    positive that went about as far further out, `twice` those with it as far again beyond `params`;
    None where there are none.
    """

    place: str
    value: float
    params: Params
    back: Params | None
    folds: float
    along: Params | None = None
    twice: Params | None = None


def has_bound(meta: Meta) -> bool:
    """Whether the objective can't be above 0: where there are only probabilities in it.

    What is a likelihood by its own account may break this, without a bound only by its own fault.
    """
    data = [a for a in meta.arrays if a.role == "data"]
    return all(a.kind not in _DENSITIES for a in data) and not any(p.prior for p in meta.params)


class Outward:
    """Watches the positive parameters of a program's numeric blocks, and latents' matrices."""

    def __init__(self, program: Program, reference: Params, floored: tuple[str, ...] = ()) -> None:
        """`floored`: parameters whose floor bounds the density of all in their block."""
        blocks = [b for b in program.numeric if not set(b.params) & set(floored)]
        pairs = [(n, k) for b in blocks for n, k in zip(b.params, b.kinds, strict=True)]
        self.names = tuple(n for n, kind in pairs if kind == "positive")
        self.start = {n: _logs(reference[n]) for n in self.names}
        self.positive = tuple(p.name for p in program.meta.params if p.kind == "positive")
        self.matrices = latent_scales(program.meta)

    def suspect(self, params: Params, before: Params | None) -> Suspect | None:
        """The entry furthest out that is still moving, or is at an end of what can be; or None.

        before : the parameters an iteration earlier. What moved with it goes further as well.
        """
        found: Suspect | None = None
        furthest = _FAR
        for name in self.names:
            now = _logs(params[name])
            old = now if before is None else _logs(before[name])
            away = now - self.start[name]
            moving = ((now - old) * np.sign(away) > _MOVING) & (np.abs(away) > _FAR)
            at_end = np.abs(now) > _ANYWHERE
            size = np.where(moving | at_end, np.maximum(np.abs(away), _FAR + at_end), 0.0)
            if size.size == 0 or not size.max() > furthest:
                continue
            at = np.unravel_index(int(size.argmax()), size.shape)
            furthest, step = float(size[at]), float(now[at] - old[at])
            if moving[at]:
                assert before is not None
                further = self._beyond(params, before, _FURTHER / abs(step))
                twice = self._beyond(params, before, 2.0 * _FURTHER / abs(step))
            else:
                value = np.array(params[name], dtype=np.float64)
                value[at] *= np.exp(_FURTHER * np.sign(now[at]))
                further, twice = {**params, name: value}, None
            place = cell_text(name, tuple(int(i) for i in at))
            back: Params | None = None
            along: Params | None = None
            if before is not None and moving[at] and furthest > _SURELY and abs(step) > 1.0:
                value = np.array(params[name], dtype=np.float64)
                value[at] = before[name][at]
                back = {**params, name: value}
                along = self._along(params, before, abs(step))
            value_there = float(params[name][at])
            found = Suspect(place, value_there, further, back, abs(step), along, twice)
        return found or self._matrix(params)

    def _matrix(self, params: Params) -> Suspect | None:
        """The matrix that has a diagonal entry of a size that no unit explains; or None."""
        for name in self.matrices:
            logs = _logs(np.einsum("...ii->...i", params[name]))
            at = np.unravel_index(int(np.abs(logs).argmax()), logs.shape)
            if not abs(logs[at]) > _ANYWHERE:
                continue
            one = tuple(int(i) for i in at[:-1])
            value = np.array(params[name], dtype=np.float64)
            value[one] *= np.exp(_FURTHER * np.sign(logs[at]))
            entry = cell_text(name, (*one, int(at[-1]), int(at[-1])))
            return Suspect(entry, float(np.exp(logs[at])), {**params, name: value}, None, 0.0)
        return None

    def lost(self, params: Params) -> bool:
        """Whether anything is so far that rounding may have had a hand in where it is."""
        return any(
            bool((np.abs(_logs(params[n])) > _DIGITS).any()
                 or (np.abs(_logs(params[n]) - self.start[n]) > _FAR).any())
            for n in self.names
        )  # fmt: skip

    def inward(self, params: Params) -> Iterator[tuple[str, float, Params]]:
        """Every entry that is far: its place, its value, and the parameters with it less so.

        The last is of all of them together, since each may stand in for another.
        """
        together = dict(params)
        first: tuple[str, float] | None = None
        for name in self.names:
            now = _logs(params[name])
            for at in np.ndindex(now.shape):
                away = float(now[at] - self.start[name][at])
                if abs(away) <= _FAR and abs(now[at]) <= _DIGITS:
                    continue
                side = float(np.sign(away if abs(away) > _FAR else now[at]))
                place, there = cell_text(name, at), float(params[name][at])
                first = first or (place, there)
                together[name] = np.array(together[name], dtype=np.float64)
                together[name][at] *= np.exp(-_FURTHER * side)
                yield place, there, {**params, name: _with(params[name], at, together[name][at])}
        if first is not None:
            yield (*first, together)

    def _beyond(self, params: Params, before: Params, times: float) -> Params:
        """Every watched entry moved on as it moved, `times` as far."""
        out = dict(params)
        for name in self.names:
            step = np.clip(times * (_logs(params[name]) - _logs(before[name])), -50.0, 50.0)
            out[name] = params[name] * np.exp(step)
        return out

    def _along(self, params: Params, before: Params, folds: float) -> Params:
        """What moved at least half of `folds` e-folds moved on by as much."""
        out = dict(params)
        for name in self.positive:
            step = _logs(params[name]) - _logs(before[name])
            out[name] = params[name] * np.exp(np.where(np.abs(step) >= 0.5 * folds, step, 0.0))
        return out


def is_unbounded(
    here: float, before: float, suspect: Suspect, objective: Callable[[Params], float]
) -> bool:
    """Whether the objective, `here` where it is, still rises so far out that it has no end.

    before : the objective an iteration earlier.

    Others may have to move along with the entry, and finely, for it to rise further: then it is
    what the entry's own last move has gained that tells. The iteration has to have gained as much:
    on a ridge to a limit (a negative binomial's to a Poisson) two move together for nothing, and
    each alone would lose much. Where all that moved goes on for nothing it was something else that
    has gained.
    """
    there = objective(suspect.params)
    if there - here > GAIN:
        beyond = math.inf if suspect.twice is None else objective(suspect.twice)
        # a maximum that has only been far away is not much higher, or lower, as far beyond
        return not math.isfinite(beyond) or beyond - there > GAIN
    least = _EACH * suspect.folds
    if suspect.back is None or not here - before > least:
        return False
    if not here - objective(suspect.back) > least:
        return False
    return suspect.along is None or not abs(objective(suspect.along) - here) <= GAIN


def _with(values: Floats, at: tuple[int, ...], value: Any) -> Floats:
    out = np.array(values, dtype=np.float64)
    out[at] = value
    return out


def _logs(x: Floats) -> Floats:
    found: Floats = np.log(np.maximum(np.asarray(x, dtype=np.float64), 1e-300))
    return found
