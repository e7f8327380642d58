"""Absolute deviations as tables: a weight, a target and a design for each, problem by problem."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from emdsl.runtime.numeric import RowSum, each_block
from emdsl.runtime.objective import Floats
from emdsl.runtime.program import Statistics


@dataclass(frozen=True, slots=True)
class Deviations:
    """Deviations of rows, or without rows those of a prior, a function of (statistics, params).

    The function gives a weight and a target over (batch..., sums..., rows), and for each parameter
    of the block a design over (batch..., own..., sums..., rows); axes they don't depend on are
    missing in front or of length one. `sums` is how many such axes there are beside the rows.
    """

    sums: int
    source: RowSum | Callable[..., Any]


class Table(NamedTuple):
    """weight, target (batch..., R) and design (batch..., P, R), batch axes perhaps of length 1."""

    weight: Floats
    target: Floats
    design: Floats

    def at(self, problem: tuple[int, ...]) -> tuple[Floats, Floats, Floats]:
        """Those of one problem: (R,), (R,), (P, R)."""
        count = len(problem)
        weight, target, design = (x[place_of(x, problem, count)] for x in self)
        return weight, target, design


def place_of(x: Floats, problem: tuple[int, ...], count: int) -> tuple[int, ...]:
    return tuple(i if n > 1 else 0 for i, n in zip(problem, x.shape[:count], strict=True))


def counted(table: Table, at: tuple[int, ...]) -> tuple[Floats, Floats, Floats]:
    """The rows of one problem that have a weight."""
    weight, target, design = table.at(at)
    sound = (weight > 0.0) & np.isfinite(target) & np.isfinite(design).all(axis=0)
    return weight[sound], target[sound], design[:, sound]


def is_apart(design: Floats) -> bool:
    """Whether each deviation is of one unknown."""
    return bool(((design != 0.0).sum(axis=0) <= 1).all())


def table_of(
    deviations: tuple[Deviations, ...],
    batch: int,
    statistics: Statistics,
    values: Mapping[str, Any],
    own: tuple[Any, ...],
) -> Table:
    """The rows of all deviations one after the other; `own` are the parameters' own shapes."""
    parts: list[Table] = []
    for d in deviations:
        if isinstance(d.source, RowSum):
            found = each_block(d.source, d.source.value, statistics, values)
            parts += [_flat(part, batch, d.sums + 1, own) for part in found]
        else:
            parts.append(_flat(d.source(statistics, values), batch, d.sums, own))
    if not parts:
        unknowns = sum(math.prod(o) for o in own)
        one = (1,) * batch
        return Table(np.zeros((*one, 0)), np.zeros((*one, 0)), np.zeros((*one, unknowns, 0)))
    if len(parts) == 1:
        return parts[0]
    return Table(*(_joined([p[i] for p in parts], batch) for i in range(3)))


def _joined(arrays: list[Floats], batch: int) -> Floats:
    """Along the rows; batch axes alike."""
    lead = np.broadcast_shapes(*(x.shape[:batch] for x in arrays))
    return np.concatenate([np.broadcast_to(x, (*lead, *x.shape[batch:])) for x in arrays], axis=-1)


def _flat(found: tuple[Any, ...], batch: int, tail: int, own: tuple[Any, ...]) -> Table:
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
            *x.shape[:batch], *([math.prod(shape)] if shape else []), math.prod(ends)
        )

    every = [merged(x, o or (1,)) if o else merged(x, ())[..., None, :]
             for x, o in zip(designs, own, strict=True)]  # fmt: skip
    lead = np.broadcast_shapes(*(x.shape[:batch] for x in every))
    design = np.concatenate([np.broadcast_to(x, (*lead, *x.shape[batch:])) for x in every], axis=-2)
    return Table(merged(weight, ()), merged(target, ()), design)


def _ranked(x: Any, rank: int) -> Floats:
    """With axes of length one in front up to this rank."""
    array = np.asarray(x, dtype=np.float64)
    return array.reshape((1,) * (rank - array.ndim) + array.shape)
