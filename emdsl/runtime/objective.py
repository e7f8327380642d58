"""What a numeric block of an M-step gives to the maximiser, and what may be asked of the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from emdsl.runtime.tied import Tied

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Point = tuple[Floats, ...]


@dataclass(frozen=True, slots=True)
class Slopes:
    """First and second derivatives in the parameters' own coordinates.

    gradient : for each parameter i (*batch, *own_i).
    hessian : [i][j] is (*batch, *own_i, *own_j); None where only the gradient was asked for.
    value : the value too, (*batch), where it costs next to nothing beside them.
    tied : the Hessian without its zeros, in place of `hessian` where that would be too large.
    """

    gradient: tuple[Floats, ...]
    hessian: tuple[tuple[Floats, ...], ...] | None = None
    value: Floats | None = None
    tied: Tied | None = None

    @property
    def second(self) -> bool:
        """Whether there is a Hessian."""
        return self.hessian is not None or self.tied is not None

    def grid(self) -> tuple[tuple[Floats, ...], ...]:
        """The Hessian written out."""
        if self.hessian is not None:
            return self.hessian
        assert self.tied is not None
        return self.tied.grid()


class Objective(Protocol):
    """A block's share of Q: one independent problem for each element of the batch.

    Parameter i has shape (*batch, *own_i), with the same batch shape for all of them.
    """

    def value(self, point: Point) -> Floats:
        """The value of each problem, (*batch); minus infinity or NaN outside its domain."""
        ...

    def slopes(self, point: Point, second: bool) -> Slopes:
        """The gradient, and the Hessian where `second`."""
        ...


@dataclass(frozen=True, slots=True)
class Restriction:
    """Linear equations on the unconstrained coordinates of a whole block without a batch.

    The coordinates of all parameters, each laid out in C order and one after the other, are
    phi = offset + matrix @ f with f free. Entry by entry phi is x (real), log x (positive),
    log x - log(1 - x) (unit), log x up to a number for the whole row (simplex), and the first
    entry, then the logs of the gaps (ordered).

    offset : (n,)
    matrix : (n, m), of full column rank.
    """

    offset: Floats
    matrix: Floats
