"""Probabilities that are exactly zero: what they rule out is impossible, not merely improbable.

A log of zero is kept finite (0 log 0 is 0), at about -708. A product of coefficients with features
can't tell it from an improbable row. So where parameters are exactly zero (or one, for its
complement) the coefficients are taken a second time with those parameters moved off the edge: the
entries that jump are logs of zero, and a row that such an entry meets with a feature is impossible.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.program import Coefficients, Floats, Meta, Params

_OFF = 1e-150  # its log is -345, halfway to where logs are cut off
_JUMP = 300.0


def moved_off(meta: Meta, params: Params) -> Params | None:
    """The parameters with exact zeros (and ones) moved off the edge; None if there are none."""
    out: Params = {}
    for p in meta.params:
        value = params[p.name]
        if p.kind in ("simplex", "unit") or (p.kind == "positive" and p.collapse is None):
            edge = value == 0.0
            new = np.where(edge, _OFF, value) if edge.any() else value
            if p.kind == "unit" and (value == 1.0).any():
                new = np.where(value == 1.0, 1.0 - 2.0**-53, new)
            if new is not value:
                out[p.name] = new
    return {**params, **out} if out else None


def logs_of_zero(
    meta: Meta, known: Coefficients, coefficients: Callable[[Params], Coefficients], params: Params
) -> tuple[Floats | None, ...]:
    """How much each coefficient jumps, where it holds a log of zero; None where none does.

    One feature's may take back another's: y log p + (1 - y) log(1 - p) is a coefficient log(1 - p)
    of 1 and one of y that has -log(1 - p). Where y is a latent the two may be coefficients of
    different clusters, and neither alone says what is impossible: such parameters rule out nothing,
    and the log of zero stays improbable.
    """
    moved = moved_off(meta, params)
    if moved is None:
        return (None,) * len(known)
    found = _jumps(known, coefficients(moved))
    if any(_takes_back(jumps) for jumps in found):
        alone = [
            _jumps(known, coefficients({**params, name: value}))
            for name, value in moved.items()
            if value is not params[name]
        ]
        clear = [one for one in alone if not any(_takes_back(jumps) for jumps in one)]
        found = [np.sum([one[i] for one in clear], axis=0) for i in range(len(known))]
    return tuple(jumps if (jumps > 0.0).any() else None for jumps in found)


def _jumps(known: Coefficients, then: Coefficients) -> list[Floats]:
    return [np.where(np.abs(b - a) > _JUMP, b - a, 0.0) for a, b in zip(known, then, strict=True)]


def _takes_back(jumps: Floats) -> bool:
    """Whether coefficients take back logs of zero that are not their own."""
    return bool((jumps.sum(axis=-1) < -_JUMP / 2).any())


class Barred:
    """Coefficients (C, F), some of them logs of zero: times rows they give minus infinity there."""

    __slots__ = ("known", "zero")

    def __init__(self, known: Any, zero: Any) -> None:
        self.known = known
        self.zero = zero

    def __matmul__(self, rows: Any) -> Floats:
        found: Floats = np.array(self.known @ rows)
        found[met(self.zero, rows)] = -np.inf
        return found


def met(zero: Any, rows: Any) -> NDArray[np.bool_]:
    """Where a log of zero meets a feature and isn't taken back."""
    found: NDArray[np.bool_] = np.asarray(zero @ rows) > _JUMP / 2
    return found
