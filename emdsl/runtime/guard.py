"""Watches for variances that collapse, relative to what they are over all the data.

A likelihood with a variance (or scale, or inverse precision) free to go to zero has no maximum:
a component that sits on one observation sends it to infinity. Everything here is in the unit of a
variance relative to the reference: 1 is the spread of all the data, 1e-10 counts as collapsed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.alive import Gone, along_gone
from emdsl.runtime.constraints import Constraints
from emdsl.runtime.gather import cell_text
from emdsl.runtime.program import Floats, Meta, Param, Params, Program, Statistics
from emdsl.runtime.shapes import LEAST, held

COLLAPSED = 1e-10  # rounding in pivoted second moments is about 1e-14
_NEAR = 1e-3  # of an eigenvalue of a correlation matrix: near the edge
_CREEP = 1e-4  # of a log determinant in one M-step
_CONTINUOUS = ("real", "positive", "unit")
_NOISE = 4e-15  # relative change of the data by a few units in the last place


@dataclass(frozen=True, slots=True)
class Watch:
    """One parameter: `inverse` is 1 / reference, or for matrices its inverse Cholesky factor."""

    param: Param
    to_zero: bool
    power: float
    reference: Floats
    inverse: Floats


@dataclass(frozen=True, slots=True)
class Tightest:
    """The smallest relative variance among the parameters, and where it is."""

    ratio: float
    place: str


class Guard:
    """Relative variances of the parameters whose likelihood is unbounded."""

    def __init__(
        self,
        meta: Meta,
        reference: Params,
        constraints: Constraints | None = None,
        bounded: tuple[str, ...] = (),
    ) -> None:
        """`bounded`: those that M-steps keep above the floor themselves."""
        self._constraints = constraints
        self._bounded = bounded
        self._watches = []
        for param in meta.params:
            if param.collapse is None:
                continue
            where, power = param.collapse
            value = reference[param.name]
            inverse = (
                np.linalg.inv(np.linalg.cholesky(value)) if param.kind == "posdef" else 1.0 / value
            )
            self._watches.append(Watch(param, where == "zero", power, value, inverse))
        self._cheap = [w for w in self._watches if w.param.kind != "posdef"]

    def watch(self, name: str) -> Watch:
        """What is watched of a parameter."""
        return next(w for w in self._watches if w.param.name == name)

    def below(
        self, params: Params, ratio: float, without: tuple[str, ...] = ()
    ) -> list[tuple[str, str]]:
        """The parameters with relative variances below `ratio`, and where the smallest is."""
        found = []
        for watch in self._watches:
            name = watch.param.name
            own = self.tightest(params, only=(name,)) if name not in without else None
            if own is not None and own.ratio < ratio:
                found.append((name, own.place or name))
        return found

    def lowered(self, params: Params, name: str, below: float, to: float) -> Params:
        """The parameters with what is below `below` in one of them at `to`."""
        watch, value = self.watch(name), params[name]
        small, least = below ** (1.0 / watch.power), to ** (1.0 / watch.power)
        if watch.param.kind == "posdef":
            values, vectors = np.linalg.eigh(_whiten(watch, params))
            moved = (
                np.where(values < small, least, values)
                if watch.to_zero
                else np.where(values > 1.0 / small, 1.0 / least, values)
            )
            back = np.linalg.inv(watch.inverse) @ vectors
            new = (back * moved[..., None, :]) @ np.swapaxes(back, -1, -2)
            new = 0.5 * (new + np.swapaxes(new, -1, -2))
        elif watch.to_zero:
            new = np.where(value < watch.reference * small, watch.reference * least, value)
        else:
            new = np.where(value > watch.reference / small, watch.reference / least, value)
        return self._kept({**params, name: new}, (name,))

    def tightest(
        self,
        params: Params,
        cheap: bool = False,
        *,
        without: tuple[str, ...] = (),
        only: tuple[str, ...] | None = None,
    ) -> Tightest:
        """The smallest relative variance; `cheap` leaves out matrices, `without` what it names."""
        ratio, place = 1.0, ""
        for watch in self._cheap if cheap else self._watches:
            if watch.param.name in without or (only is not None and watch.param.name not in only):
                continue
            if watch.param.kind == "posdef":
                values = np.linalg.eigvalsh(_whiten(watch, params))
                extreme = values[..., 0] if watch.to_zero else values[..., -1]
            else:
                extreme = params[watch.param.name] * watch.inverse
            found = float(extreme.min() if watch.to_zero else extreme.max())
            if watch.to_zero:
                found = max(found, 0.0)
            else:  # one over a variance that rounding made negative is as bad as infinite
                found = 1.0 / found if float(extreme.min()) > 0.0 else 0.0
            found = min(found, 1.0)  # no larger than what the smallest begins at: powers overflow
            found = found if watch.power == 1.0 else found**watch.power
            if not found >= ratio:
                at = int(extreme.argmin() if watch.to_zero else extreme.argmax())
                index = tuple(int(i) for i in np.unravel_index(at, extreme.shape))
                ratio, place = found, cell_text(watch.param.name, index)
        return Tightest(ratio, place)

    def floored(
        self, params: Params, floor: float, only: tuple[str, ...] | None = None
    ) -> tuple[Params, tuple[str, ...]]:
        """The parameters with relative variances of at least `floor`, and which were raised."""
        out, raised = dict(params), []
        for watch in self._watches:
            if watch.param.name in self._bounded:
                continue
            if only is not None and watch.param.name not in only:
                continue
            name, value = watch.param.name, params[watch.param.name]
            limit = floor ** (1.0 / watch.power)
            if watch.param.kind == "posdef":
                values, vectors = np.linalg.eigh(_whiten(watch, params))
                kept = np.maximum(values, limit) if watch.to_zero else np.minimum(values, 1 / limit)
                if np.array_equal(kept, values):
                    continue
                back = np.linalg.inv(watch.inverse) @ vectors
                new = (back * kept[..., None, :]) @ np.swapaxes(back, -1, -2)
                touched = (kept != values).any(axis=-1)[..., None, None]
                out[name] = np.where(touched, 0.5 * (new + np.swapaxes(new, -1, -2)), value)
            else:
                edge = watch.reference * (limit if watch.to_zero else 1.0 / limit)
                new = np.maximum(value, edge) if watch.to_zero else np.minimum(value, edge)
                if np.array_equal(new, value):
                    continue
                if watch.param.kind == "shape":
                    new = held(value, edge) if watch.to_zero else 1.0 / held(1 / value, 1 / edge)
                out[name] = new
            raised.append(name)
        return self._kept(out, raised), tuple(raised)

    def stopped(self, old: Params, new: Params, floor: float) -> dict[str, NDArray[np.bool_]]:
        """Entries of precisions and rates that an M-step left where they were, short of the floor.

        Only those can be without an update. A matrix without one says nothing of which of its
        directions has no spread: it is left.
        """
        found = {}
        for watch in self._watches:
            name = watch.param.name
            if watch.to_zero or watch.param.kind == "posdef" or name in self._bounded:
                continue
            edge = watch.reference * floor ** (-1.0 / watch.power)
            still = (new[name] == old[name]) & (new[name] < edge)
            if still.any():
                found[name] = np.asarray(still)
        return found

    def _kept(self, params: Params, changed: Iterable[str]) -> Params:
        """The parameters, with matrices of which entries are held or tied such again, but near."""
        rules = self._constraints
        if rules is None:
            return params
        matrices = [n for n in changed if n in rules.texts and rules.spans[n].kind == "posdef"]
        if not any(rules.patterns(n) for n in matrices):
            return params
        return rules.impose(params) if rules.broken(params) else params


def infinite(
    program: Program,
    statistics: Statistics,
    params: Params,
    stopped: Mapping[str, NDArray[np.bool_]],
) -> Params:
    """The parameters with infinity for those of the `stopped` entries that are one over zero."""
    out = dict(params)
    for name, lost in _undefined(program, statistics, params).items():
        if name in stopped:
            out[name] = np.where(lost & stopped[name], np.inf, params[name])
    return out


def undefined(
    program: Program,
    statistics: Statistics,
    params: Params,
    stopped: Mapping[str, NDArray[np.bool_]] | None = None,
    gone: Gone | None = None,
) -> list[str]:
    """The places of precisions and rates whose update is one over zero: they are infinite.

    stopped : where given, only these entries, and matrices.
    gone : values of latents that have no probability, whose parameters say nothing.
    """
    places = []
    kinds = {p.name: p.kind for p in program.meta.params}
    for name, every in _undefined(program, statistics, params).items():
        lost = every & ~along_gone(program.meta.param(name), every.shape, gone or {})
        if stopped is not None and kinds[name] != "posdef":
            lost &= stopped.get(name, np.zeros_like(every))
        if lost.any():
            index = tuple(int(i) for i in np.argwhere(lost)[0])
            places.append(name if lost.all() else cell_text(name, index))
    return places


def _undefined(
    program: Program, statistics: Statistics, params: Params
) -> dict[str, NDArray[np.bool_]]:
    """Which entries (or matrices) of precisions and rates have one over zero for an update.

    There the M-step leaves the old value, so an old value that is no number shows through. (A
    variance's update is zero where there is no spread, and undefined only where there are no data
    at all, which nothing is wrong with.)
    """
    found = {}
    for param in program.meta.params:
        if param.collapse is not None and param.collapse[0] != "zero":
            lost = _without_update(program, statistics, params, param)
            if np.any(lost):
                found[param.name] = lost
    return found


def unsettled(
    program: Program, statistics: Statistics, params: Params, constraints: Constraints | None
) -> list[str]:
    """The matrices with constraints on entries that are nearly singular and still get nearer.

    Where their Q is unbounded, Newton's method creeps along the edge of the definite matrices.
    """
    if constraints is None:
        return []
    matrices = [p.name for p in program.meta.params if p.kind == "posdef" and p.collapse]
    watched = [n for n in matrices if n in constraints.texts and constraints.patterns(n)]
    if not watched:
        return []
    new = program.m_step(statistics, params)
    return [name for name in watched if _creeps(params[name], new[name])]


def _creeps(before: Floats, after: Floats) -> bool:
    scale = np.sqrt(np.diagonal(after, axis1=-2, axis2=-1))
    if not (scale > 1e-75).all():  # products of inverses overflow: it has shrunk to there
        return True
    near = np.linalg.eigvalsh(after / scale[..., :, None] / scale[..., None, :])[..., 0] < _NEAR
    change = np.linalg.slogdet(after)[1] - np.linalg.slogdet(before)[1]
    return bool(((near & (np.abs(change) > _CREEP)) | (np.abs(change) > 1.0)).any())


def stuck(program: Program, statistics: Statistics, params: Params) -> list[str]:
    """Real parameters none of whose entries has a finite update: they are where they began.

    Newton's method only ever moves to where Q is finite.
    """
    numeric = {name for block in program.numeric for name in block.params}
    return [
        p.name
        for p in program.meta.params
        if p.kind == "real"
        and p.name not in numeric
        and np.all(_without_update(program, statistics, params, p))
    ]


def _without_update(
    program: Program, statistics: Statistics, params: Params, param: Param
) -> NDArray[np.bool_]:
    """Which entries (or matrices) the M-step leaves at a blank old value."""
    blank = np.full_like(params[param.name], np.nan)
    new = program.m_step(statistics, {**params, param.name: blank})[param.name]
    missing = np.isnan(new)
    return np.asarray(missing.any(axis=(-1, -2)) if param.kind == "posdef" else missing)


def _whiten(watch: Watch, params: Params) -> Floats:
    """W A W' with W W' the inverse of the reference: its eigenvalues are relative to it."""
    found: Floats = watch.inverse @ params[watch.param.name] @ np.swapaxes(watch.inverse, -1, -2)
    return found


def without_spread(meta: Meta, reference: Params, nudged: Params) -> list[str]:
    """Parameters whose reference is itself no more than rounding: the data have no spread there.

    nudged : the reference from data changed in their last digits. A variance that this changes
        by half is zero as far as the data can tell.
    """
    found = []
    for param in meta.params:
        if param.collapse is None:
            continue
        where, power = param.collapse
        value, other = reference[param.name], nudged[param.name]
        if param.kind == "posdef":
            bad = _singular(value, other)
        else:
            with np.errstate(all="ignore"):
                unit = value**power if where == "zero" else value**-power
                changed = other**power if where == "zero" else other**-power
                # of a shape along rotated axes zero is rounding, which may be alike twice
                steady = np.abs(changed - unit) <= (1e-3 if param.kind == "shape" else 0.5) * unit
            bad = ~(steady & (unit > 1e-300) & np.isfinite(unit))
            if param.kind == "shape":  # zero is a ratio there
                bad |= unit <= 2.0 * LEAST * unit.max(axis=-1, keepdims=True)
        if np.any(bad):
            index = tuple(int(i) for i in np.argwhere(bad)[0])
            found.append(param.name if np.all(bad) else cell_text(param.name, index))
    return found


def _singular(value: Floats, other: Floats) -> NDArray[np.bool_]:
    flat = value.reshape(-1, *value.shape[-2:])
    changed = other.reshape(flat.shape)
    bad = np.ones(len(flat), dtype=np.bool_)
    for i, matrix in enumerate(flat):
        scale = np.diagonal(matrix)
        if not (np.isfinite(matrix).all() and (scale > 1e-300).all()):
            continue
        root = 1.0 / np.sqrt(scale)
        if np.linalg.eigvalsh(matrix * root[:, None] * root)[0] < 1e-13:
            continue
        try:
            whiten = np.linalg.inv(np.linalg.cholesky(matrix))
        except np.linalg.LinAlgError:
            continue
        values = np.linalg.eigvalsh(whiten @ changed[i] @ whiten.T)
        bad[i] = values[0] < 0.5 or values[-1] > 1.5
    return bad.reshape(value.shape[:-2])


def nudge(meta: Meta, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Continuous data with each number changed by a few units in its last place."""
    rng = np.random.default_rng(20)
    out = dict(arrays)
    for array in meta.arrays:
        if array.name in out and array.role == "data" and array.kind in _CONTINUOUS:
            x = out[array.name]
            sign = rng.choice((-1.0, 1.0), size=x.shape)
            moved = x + sign * (_NOISE * np.abs(x) + 1e-140)  # all zeros must spread too
            if array.kind == "real":
                out[array.name] = moved
            else:
                moved = np.where(x > 0.0, np.maximum(moved, 0.5 * x), x)
                out[array.name] = np.minimum(moved, 1.0) if array.kind == "unit" else moved
    return out
