"""What constraints leave of a block's share of Q: entries fixed, tied or between bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from emdsl.runtime.constraints import Constraints
from emdsl.runtime.held import Held
from emdsl.runtime.objective import Floats, Mask, Objective, Point

if TYPE_CHECKING:
    from emdsl.runtime.numeric import Share


def rules_of(share: Share) -> Constraints | None:
    """The constraints on a block's parameters, if there are any."""
    for name in share.block.params:
        value = share.values[name]
        if isinstance(value, Held):
            return value.rules()
    return None


def fixed_of(share: Share, i: int) -> Mask:
    value = share.values[share.block.params[i]]
    mask = value.fixed() if isinstance(value, Held) else np.zeros(np.shape(value), dtype=bool)
    return np.transpose(mask, share.block.places[i])


def bounds_of(share: Share, rules: Constraints) -> tuple[tuple[Floats, ...], tuple[Floats, ...]]:
    """Lower and upper bounds, batch axes first."""
    sides: tuple[list[Floats], list[Floats]] = ([], [])
    for name, places in zip(share.block.params, share.block.places, strict=True):
        value = share.values[name]
        shape = np.shape(value)
        found = (np.full(shape, -np.inf), np.full(shape, np.inf))
        if isinstance(value, Held):
            low, high = rules.bounds(name)
            found = (low - value.shifts(), high - value.shifts())
        for side, bound in zip(sides, found, strict=True):
            side.append(np.transpose(bound, places))
    return tuple(sides[0]), tuple(sides[1])


def linked(share: Share, rules: Constraints) -> bool:
    """Whether entries are tied or in equations."""
    index = rules.index([n for n in share.block.params if n in rules.spans])
    tied = (rules.classes[index] != index).any() or np.isin(rules.classes, index).sum() > len(index)
    return bool(tied) or any(np.isin(r.entries, index).any() for r in rules.rows)


def staying(objective: Objective, point: Point) -> tuple[Mask, ...] | None:
    """Of a block's share of Q, the entries that are fixed or at a bound.

    None where nothing constrains it, and where entries are tied.
    """
    if not hasattr(objective, "block"):
        return None
    share = cast("Share", objective)
    rules = rules_of(share)
    if rules is None or linked(share, rules):
        return None
    lower, upper = bounds_of(share, rules)
    return tuple(
        fixed_of(share, i) | (x <= low) | (x >= high)
        for i, (x, low, high) in enumerate(zip(point, lower, upper, strict=True))
    )
