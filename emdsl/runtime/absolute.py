"""Blocks of an M-step in whose absolute deviations Q is: gathers the rows, and finds the least."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.medians import deviation, least_absolute, weighted_median
from emdsl.runtime.numeric import RowSum, each_block
from emdsl.runtime.objective import Floats
from emdsl.runtime.program import Statistics

_WORSE = 1e-12  # relative: a sum this much larger than at the start is no better for rounding


@dataclass(frozen=True, slots=True)
class Deviations:
    """Deviations of rows, or without rows those of a prior, a function of (statistics, params).

    The function gives a weight and a target over (batch..., sums..., rows), and for each parameter
    of the block a design over (batch..., own..., sums..., rows); axes they don't depend on are
    missing in front or of length one. `sums` is how many such axes there are beside the rows.
    """

    sums: int
    source: RowSum | Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Absolute:
    """Parameters that weighted absolute deviations are least at, a problem for each of a batch.

    `places` says which of a parameter's dimensions are the batch's, then which are its own;
    `slope(statistics, params)` the slopes of what is linear in them, less the deviations.
    """

    params: tuple[str, ...]
    kinds: tuple[str, ...]
    batch: int
    places: tuple[tuple[int, ...], ...]
    deviations: tuple[Deviations, ...]
    slope: Callable[..., Any] | None = None


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
    here = np.concatenate([x.reshape(*batch, -1) for x in start], axis=-1)
    table = _table(block, statistics, values, own)
    slope = np.zeros_like(here)
    if block.slope is not None:
        given = block.slope(statistics, values)
        slope = np.concatenate([np.reshape(g, (*batch, -1)) for g in given], axis=-1)
    found = here.copy()
    orders: dict[tuple[int, ...], _Sorted] = {}
    for at in np.ndindex(*batch):
        new: Floats | None
        if here.shape[-1] == 1:
            new = _median(table, at, float(slope[*at, 0]), orders)
        else:
            new = _regression(table, at, slope[at], here[at])
        if new is None or not np.isfinite(new).all():
            continue
        if block.kinds[0] == "positive" and new[0] <= 0.0:
            new = 0.5 * here[at]  # it is highest at zero, where no positive parameter is
        if not _is_worse(table, at, slope[at], new, here[at]):
            found[at] = new
    ends = np.cumsum([int(np.prod(o)) for o in own])[:-1]
    parts = np.split(found, ends, axis=-1)
    return tuple(
        np.array(np.transpose(np.reshape(part, (*batch, *o)), np.argsort(p)), order="C")
        for part, o, p in zip(parts, own, block.places, strict=True)
    )


class _Table(NamedTuple):
    """weight, target (batch..., R) and design (batch..., P, R), batch axes perhaps of length 1."""

    weight: Floats
    target: Floats
    design: Floats

    def at(self, problem: tuple[int, ...]) -> tuple[Floats, Floats, Floats]:
        """Those of one problem: (R,), (R,), (P, R)."""
        count = len(problem)
        weight, target, design = (x[_place(x, problem, count)] for x in self)
        return weight, target, design


def _place(x: Floats, problem: tuple[int, ...], count: int) -> tuple[int, ...]:
    return tuple(i if n > 1 else 0 for i, n in zip(problem, x.shape[:count], strict=True))


# --- one unknown ----------------------------------------------------------------------------------


class _Sorted(NamedTuple):
    """Where each deviation is zero, how fast it grows from there, and the order of the places."""

    points: Floats
    growth: Floats
    order: NDArray[np.intp]


def _median(
    table: _Table, at: tuple[int, ...], slope: float, orders: dict[tuple[int, ...], _Sorted]
) -> Floats:
    """Sorted once for all problems that share their points."""
    count = len(at)
    weight, target, design = table.at(at)
    key = _place(table.target, at, count) + _place(table.design, at, count)
    if key not in orders:
        growth = np.abs(design[0])
        with np.errstate(divide="ignore", invalid="ignore"):
            points = np.where(growth > 0.0, target / design[0], 0.0)
        orders[key] = _Sorted(points, growth, np.argsort(points, kind="stable"))
    points, growth, order = orders[key]
    weight = np.where(np.isfinite(points) & (growth > 0.0), weight * growth, 0.0)
    return np.array([weighted_median(points, weight, order, slope)])


# --- several --------------------------------------------------------------------------------------


def _regression(table: _Table, at: tuple[int, ...], slope: Floats, here: Floats) -> Floats | None:
    weight, target, design = table.at(at)
    start = np.where(np.isfinite(here), here, 0.0)
    sound = (weight > 0.0) & np.isfinite(target) & np.isfinite(design).all(axis=0)
    return least_absolute(design[:, sound], target[sound], weight[sound], slope, start)


def _is_worse(table: _Table, at: tuple[int, ...], slope: Floats, new: Floats, old: Floats) -> bool:
    """Whether rounding made a place worse than the one before."""
    weight, target, design = table.at(at)
    sound = weight > 0.0
    rows = design[:, sound], target[sound], weight[sound], slope
    before, after = deviation(*rows, old), deviation(*rows, new)
    return bool(after > before + _WORSE * abs(before))


# --- rows -----------------------------------------------------------------------------------------


def _table(
    block: Absolute, statistics: Statistics, values: Mapping[str, Any], own: tuple[Any, ...]
) -> _Table:
    """The rows of all deviations one after the other."""
    parts: list[_Table] = []
    for d in block.deviations:
        if isinstance(d.source, RowSum):
            found = each_block(d.source, d.source.value, statistics, values)
            parts += [_flat(part, block.batch, d.sums + 1, own) for part in found]
        else:
            parts.append(_flat(d.source(statistics, values), block.batch, d.sums, own))
    if not parts:
        unknowns = sum(int(np.prod(o)) for o in own)
        one = (1,) * block.batch
        return _Table(np.zeros((*one, 0)), np.zeros((*one, 0)), np.zeros((*one, unknowns, 0)))
    if len(parts) == 1:
        return parts[0]
    return _Table(*(_joined([p[i] for p in parts], block.batch) for i in range(3)))


def _joined(arrays: list[Floats], batch: int) -> Floats:
    """Along the rows; batch axes alike."""
    lead = np.broadcast_shapes(*(x.shape[:batch] for x in arrays))
    return np.concatenate([np.broadcast_to(x, (*lead, *x.shape[batch:])) for x in arrays], axis=-1)


def _flat(found: tuple[Any, ...], batch: int, tail: int, own: tuple[Any, ...]) -> _Table:
    """What a function gave, with its last `tail` axes as one.

    An axis beside the rows that only the weights depend on is summed over first: components that
    share a location are one.
    """
    weight = _ranked(found[0], batch + tail)
    target = _ranked(found[1], batch + tail)
    designs = [_ranked(x, batch + len(o) + tail) for x, o in zip(found[2:], own, strict=True)]
    for i in range(batch, batch + tail - 1):
        back = i - batch - tail
        if all(x.shape[back] == 1 for x in (target, *designs)):
            weight = weight.sum(axis=i, keepdims=True)
    ends = np.broadcast_shapes(*(x.shape[x.ndim - tail :] for x in (weight, target, *designs)))

    def merged(x: Floats, shape: tuple[int, ...]) -> Floats:
        return np.broadcast_to(x, (*x.shape[:batch], *shape, *ends)).reshape(
            *x.shape[:batch], *([int(np.prod(shape))] if shape else []), int(np.prod(ends))
        )

    every = [merged(x, o or (1,)) if o else merged(x, ())[..., None, :]
             for x, o in zip(designs, own, strict=True)]  # fmt: skip
    lead = np.broadcast_shapes(*(x.shape[:batch] for x in every))
    design = np.concatenate([np.broadcast_to(x, (*lead, *x.shape[batch:])) for x in every], axis=-2)
    return _Table(merged(weight, ()), merged(target, ()), design)


def _ranked(x: Any, rank: int) -> Floats:
    """With axes of length one in front up to this rank."""
    array = np.asarray(x, dtype=np.float64)
    return array.reshape((1,) * (rank - array.ndim) + array.shape)
