"""Blocks of an M-step in whose absolute deviations Q is: gathers the rows, and finds the least."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.bent import least_bent
from emdsl.runtime.constraints import System
from emdsl.runtime.descent import least_with_squares
from emdsl.runtime.deviations import Deviations, Table, counted, is_apart, place_of, table_of
from emdsl.runtime.diagnosis import diagnose
from emdsl.runtime.held import Held
from emdsl.runtime.isotonic import Problem, in_order
from emdsl.runtime.medians import deviation, least_absolute, least_within, weighted_median
from emdsl.runtime.objective import Floats, Point, Slopes
from emdsl.runtime.program import Statistics

_WORSE = 1e-12  # relative: a sum this much larger than at the start is no better for rounding


@dataclass(frozen=True, slots=True)
class Absolute:
    """Parameters that weighted absolute deviations are least at, a problem for each of a batch.

    The entries of an ordered one are each a problem, but for their order. `places` says which of
    a parameter's dimensions are the batch's, then which are its own;
    `slope(statistics, params)` the slopes of what is linear in them, less the deviations, and
    `curve(statistics, params)` the second derivatives of what is quadratic, each by each.
    """

    params: tuple[str, ...]
    kinds: tuple[str, ...]
    batch: int
    places: tuple[tuple[int, ...], ...]
    deviations: tuple[Deviations, ...]
    slope: Callable[..., Any] | None = None
    curve: Callable[..., Any] | None = None


def least_deviations(
    block: Absolute, statistics: Statistics, values: Mapping[str, Any]
) -> tuple[Floats, ...]:
    """The block's parameters where their deviations are least, given the others' values.

    A problem without data, or without a least place, stays where it is.
    """
    start = [np.transpose(np.asarray(values[n], dtype=np.float64), p)
             for n, p in zip(block.params, block.places, strict=True)]  # fmt: skip
    batch = start[0].shape[: block.batch]
    own = tuple(x.shape[block.batch :] for x in start)
    here = np.concatenate([np.reshape(x, (*batch, -1)) for x in start], axis=-1)
    table = table_of(block.deviations, block.batch, statistics, values, own)
    slope = np.zeros_like(here)
    if block.slope is not None:
        given = block.slope(statistics, values)
        slope = np.concatenate([np.reshape(g, (*batch, -1)) for g in given], axis=-1)
    bend = _bend(block, statistics, values, here.shape, own)
    if statistics.notes is not None:
        squares = _Squares(table, here.shape, bend)
        point = _split(here, block, own)
        held = tuple(
            np.transpose(values[n].fixed(), p) if isinstance(values[n], Held) else None
            for n, p in zip(block.params, block.places, strict=True)
        )
        statistics.notes.extend(
            diagnose(squares, point, ("real",) * len(own), block.params, block.batch, held=held)
        )
    if any(isinstance(values[n], Held) for n in block.params):
        found = _restricted(block, values, table, slope, bend, here)
    else:
        found = _free(block, table, slope, bend, here)
    return tuple(
        np.array(np.transpose(part, np.argsort(p)), order="C")
        for part, p in zip(_split(found, block, own), block.places, strict=True)
    )


def _bend(
    block: Absolute, statistics: Statistics, values: Mapping[str, Any], shape: Any, own: Any
) -> Floats | None:
    """Minus the second derivatives, (batch..., P, P)."""
    if block.curve is None:
        return None
    batch, sizes = shape[:-1], [math.prod(o) for o in own]
    given = iter(block.curve(statistics, values))
    rows = [np.concatenate([np.reshape(next(given), (*batch, i, j)) for j in sizes], axis=-1)
            for i in sizes]  # fmt: skip
    return -np.concatenate(rows, axis=-2)


def _free(
    block: Absolute, table: Table, slope: Floats, bend: Floats | None, here: Floats
) -> Floats:
    """Each problem by itself, (batch..., P)."""
    batch = here.shape[:-1]
    found = here.copy()
    orders: dict[tuple[int, ...], _Sorted] = {}
    for at in np.ndindex(*batch):
        new: Floats | None
        if bend is not None:
            weight, target, design = counted(table, at)
            least = least_with_squares if is_apart(design) else least_bent
            new = least(design, target, weight, slope[at], bend[at], here[at])
        elif here.shape[-1] == 1:
            new = _median(table, at, float(slope[*at, 0]), orders)
        else:
            new = _regression(table, at, slope[at], here[at])
        if new is None or not np.isfinite(new).all():
            continue
        if block.kinds[0] == "positive" and new[0] <= 0.0:
            new = 0.5 * here[at]  # it is highest at zero, where no positive parameter is
        if bend is not None or not _is_worse(table, at, slope[at], new, here[at]):
            found[at] = new
    if block.kinds == ("ordered",):
        _put_in_order(block, table, slope, bend, found)
    return found


def _put_in_order(
    block: Absolute, table: Table, slope: Floats, bend: Floats | None, found: Floats
) -> None:
    """Where entries (batch..., 1) of an ordered parameter aren't, the least that is, in place."""
    axis = block.places[0].index(len(block.places[0]) - 1)
    batch = found.shape[:-1]
    for lead in np.ndindex(*batch[:axis], *batch[axis + 1 :]):
        every = [(*lead[:axis], k, *lead[axis:]) for k in range(batch[axis])]
        values = np.array([found[*at, 0] for at in every])
        if (np.diff(values) >= 0.0).all():
            continue
        problems = []
        for at, value in zip(every, values, strict=True):
            weight, target, (design,) = counted(table, at)
            own = design != 0.0
            growth = weight[own] * np.abs(design[own])
            bent = 0.0 if bend is None else float(bend[*at, 0, 0])
            here = float(value)
            problems.append(
                Problem(here, target[own] / design[own], growth, float(slope[*at, 0]), bent)
            )
        for at, value in zip(every, in_order(problems), strict=True):
            found[*at, 0] = value


def _restricted(
    block: Absolute,
    values: Mapping[str, Any],
    table: Table,
    slope: Floats,
    bend: Floats | None,
    here: Floats,
) -> Floats:
    """All problems together under what is to hold: in the coordinates that are left free."""
    index, shift = -1 - np.arange(here.size).reshape(here.shape), np.zeros_like(here)
    batch, first, rules = here.shape[:-1], 0, None
    for name, places in zip(block.params, block.places, strict=True):
        given = values[name]
        last = first + given.size // max(math.prod(batch), 1)
        if isinstance(given, Held):
            rules = given.rules()
            entries = np.arange(given.size).reshape(given.shape) + rules.spans[name].start
            index[..., first:last] = np.transpose(entries, places).reshape(*batch, -1)
            shift[..., first:last] = np.transpose(given.shifts(), places).reshape(*batch, -1)
        first = last
    assert rules is not None
    system = rules.system(index.reshape(-1), shift.reshape(-1))
    entries = np.arange(here.size).reshape(here.shape)
    parts = []
    for at in np.ndindex(*batch):
        weight, target, design = counted(table, at)
        own = entries[at]
        parts.append((system.matrix[own].T @ design, target - system.offset[own] @ design, weight))
    design, target, weight = (np.concatenate(x, axis=-1) for x in zip(*parts, strict=True))
    flat, tilt = here.reshape(-1), system.matrix.T @ slope.reshape(-1)
    if not system.matrix.shape[1]:
        return system.offset.reshape(here.shape)
    free: Floats | None
    start = np.asarray(np.linalg.lstsq(system.matrix, flat - system.offset)[0], dtype=np.float64)
    apart = is_apart(design)
    if bend is not None:
        curve = np.zeros((here.size, here.size))
        for at in np.ndindex(*batch):
            curve[np.ix_(entries[at], entries[at])] = bend[at]
        tilt = tilt - system.matrix.T @ (curve @ system.offset)
        curve = system.matrix.T @ curve @ system.matrix
        if apart:
            free = least_with_squares(design, target, weight, tilt, curve, start, _limits(system))
        else:
            free = least_bent(design, target, weight, tilt, curve, start, system)
        if free is None or not np.isfinite(free).all():
            return here
        return (system.offset + system.matrix @ free).reshape(here.shape)
    if apart:
        free = np.array([_one(d, target, weight, t, s)
                         for d, t, s in zip(design, tilt, start, strict=True)])  # fmt: skip
    else:
        free = least_absolute(design, target, weight, tilt, start)
    if free is not None and system.bounded:
        at_most = system.offset + system.matrix @ free
        if (at_most < system.lower).any() or (at_most > system.upper).any():
            free = least_within(design, target, weight, tilt, system)
    if free is None or not np.isfinite(free).all():
        return here
    found = system.offset + system.matrix @ free
    return found.reshape(here.shape)


def _limits(system: System) -> Floats:
    """The bounds of the free coordinates, (2, free), of entries that are one coordinate's each."""
    limits = np.stack([np.full(system.matrix.shape[1], s) for s in (-np.inf, np.inf)])
    alone = (system.matrix != 0.0).sum(axis=1) == 1
    for i, j in zip(*np.nonzero(system.matrix * alone[:, None]), strict=True):
        ends = (np.array([system.lower[i], system.upper[i]]) - system.offset[i]) / system.matrix[
            i, j
        ]
        limits[0, j], limits[1, j] = max(limits[0, j], ends.min()), min(limits[1, j], ends.max())
    return limits


def _split(flat: Floats, block: Absolute, own: tuple[Any, ...]) -> Point:
    """The parameters (batch..., own...) of all of a problem's unknowns together."""
    ends = np.cumsum([math.prod(o) for o in own])[:-1]
    parts = np.split(flat, ends, axis=-1)
    return tuple(np.reshape(x, (*flat.shape[: block.batch], *o))
                 for x, o in zip(parts, own, strict=True))  # fmt: skip


class _Squares:
    """The deviations squared, an `Objective`: it leaves the same unknowns undetermined."""

    def __init__(self, table: Table, shape: tuple[int, ...], bend: Floats | None) -> None:
        self.table = table
        self.bend = np.zeros((*shape, shape[-1])) if bend is None else bend
        self.shape = shape

    def _flat(self, point: Point) -> Floats:
        batch = self.shape[:-1]
        return np.concatenate([np.reshape(x, (*batch, -1)) for x in point], axis=-1)

    def value(self, point: Point) -> Floats:
        flat = self._flat(point)
        out = np.empty(self.shape[:-1])
        for at in np.ndindex(*self.shape[:-1]):
            weight, target, design = counted(self.table, at)
            out[at] = -0.5 * weight @ (target - flat[at] @ design) ** 2
            out[at] -= 0.5 * flat[at] @ self.bend[at] @ flat[at]
        return out

    def slopes(self, point: Point, second: bool) -> Slopes:
        flat = self._flat(point)
        ends = np.cumsum([math.prod(x.shape[len(self.shape) - 1 :]) for x in point])[:-1]
        gradient, hessian = np.empty(self.shape), np.empty((*self.shape, self.shape[-1]))
        for at in np.ndindex(*self.shape[:-1]):
            weight, target, design = counted(self.table, at)
            gradient[at] = (weight * (target - flat[at] @ design)) @ design.T
            gradient[at] -= self.bend[at] @ flat[at]
            hessian[at] = -(weight * design) @ design.T - self.bend[at]
        owns = [x.shape[len(self.shape) - 1 :] for x in point]
        batch = self.shape[:-1]
        parts = np.split(gradient, ends, axis=-1)
        first = tuple(np.reshape(g, (*batch, *o)) for g, o in zip(parts, owns, strict=True))
        if not second:
            return Slopes(first, None)
        rows = np.split(hessian, ends, axis=-2)
        grid = tuple(
            tuple(np.reshape(part, (*batch, *o, *t))
                  for part, t in zip(np.split(row, ends, axis=-1), owns, strict=True))
            for row, o in zip(rows, owns, strict=True)
        )  # fmt: skip
        return Slopes(first, grid)


# --- one unknown ----------------------------------------------------------------------------------


class _Sorted(NamedTuple):
    """Where each deviation is zero, how fast it grows from there, and the order of the places."""

    points: Floats
    growth: Floats
    order: NDArray[np.intp]


def _median(
    table: Table, at: tuple[int, ...], slope: float, orders: dict[tuple[int, ...], _Sorted]
) -> Floats:
    """Sorted once for all problems that share their points."""
    count = len(at)
    weight, target, design = table.at(at)
    key = place_of(table.target, at, count) + place_of(table.design, at, count)
    if key not in orders:
        growth = np.abs(design[0])
        with np.errstate(divide="ignore", invalid="ignore"):
            points = np.where(growth > 0.0, target / design[0], 0.0)
        orders[key] = _Sorted(points, growth, np.argsort(points, kind="stable"))
    points, growth, order = orders[key]
    weight = np.where(np.isfinite(points) & (growth > 0.0), weight * growth, 0.0)
    return np.array([weighted_median(points, weight, order, slope)])


def _one(design: Floats, target: Floats, weight: Floats, slope: float, start: float) -> float:
    """The median of the deviations that one unknown is in, or the start where it is in none."""
    own = design != 0.0
    points = target[own] / design[own]
    found = weighted_median(points, weight[own] * np.abs(design[own]), np.argsort(points), slope)
    return found if np.isfinite(found) else start


# --- several --------------------------------------------------------------------------------------


def _regression(table: Table, at: tuple[int, ...], slope: Floats, here: Floats) -> Floats | None:
    weight, target, design = counted(table, at)
    start = np.where(np.isfinite(here), here, 0.0)
    return least_absolute(design, target, weight, slope, start)


def _is_worse(table: Table, at: tuple[int, ...], slope: Floats, new: Floats, old: Floats) -> bool:
    """Whether rounding made a place worse than the one before."""
    weight, target, design = counted(table, at)
    before, after = (deviation(design, target, weight, slope, x) for x in (old, new))
    return bool(after > before + _WORSE * abs(before))
