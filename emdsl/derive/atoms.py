"""The elements of arrays that scalar algebra is done on.

SymPy sees only symbols. Each symbol stands for an `Atom`: an entry of a parameter or data array at
named axes, a log determinant, an indicator. Plates, sums, gathers and matrices live here, where
bound axes have globally unique names, so nothing is captured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import sympy as sp

from emdsl.model.graph import Extent
from emdsl.model.kinds import Kind

THE_ONE = "."  # the way to what stands in no plate

# --- axes ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AxisInfo:
    """What a named axis runs over: a plate, a latent's values, or an event dimension."""

    name: str
    role: Literal["plate", "latent", "event"]
    extent: Extent


# --- atoms -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Elem:
    """`name[idx]`: an entry of a param, data, input or const array, or of a continuous latent.

    `via` says how a row finds its entry of a data array, input or latent where that isn't its own
    row's: "s, t-1", "item[r]"; "#" is the row's own index along plate `name`.
    """

    role: Literal["param", "data", "input", "const", "latent"]
    name: str
    idx: tuple[Ix, ...]
    kind: Kind
    via: str = ""


@dataclass(frozen=True)
class Centered:
    """A data entry (or its log) less its location at the pivot: `x[n, d] - pivot[d]`."""

    of: Elem
    offset: sp.Expr
    through: Literal["", "log"] = ""


@dataclass(frozen=True)
class Pivot:
    """An entry of a location parameter's pivot: its value averaged over the latents' values."""

    name: str
    idx: tuple[Ix, ...]


@dataclass(frozen=True)
class Seen:
    """1 where the data entry is observed, 0 where it is missing."""

    name: str
    idx: tuple[Ix, ...]


@dataclass(frozen=True)
class Value:
    """The number an axis stands for: a latent's value, or a plate index."""

    axis: str


@dataclass(frozen=True)
class SizeOf:
    """A size as a number."""

    extent: Extent


@dataclass(frozen=True)
class Ind:
    """1 where a condition (SymPy, over atoms' symbols) holds, else 0."""

    condition: sp.Basic


@dataclass(frozen=True)
class LogInd:
    """0 where a condition holds, else minus infinity."""

    condition: sp.Basic


@dataclass(frozen=True)
class Matrix:
    """A whole matrix: a param, const or continuous latent with its batch indices.

    `via` says how a row finds a latent's, as that of an `Elem` does.
    """

    role: Literal["param", "const", "latent"]
    name: str
    batch: tuple[Ix, ...]
    order: Extent
    via: str = ""


@dataclass(frozen=True)
class LogDetOf:
    matrix: Matrix


@dataclass(frozen=True)
class InvOf:
    """An entry of a matrix's inverse."""

    matrix: Matrix
    i: Ix
    j: Ix


@dataclass(frozen=True)
class SumOf:
    """A sum over bound axes of a scalar expression."""

    axes: tuple[str, ...]
    body: sp.Expr


@dataclass(frozen=True)
class LogSumExp:
    """log of a sum over bound axes of exp(body): a softmax's log denominator."""

    axes: tuple[str, ...]
    body: sp.Expr


@dataclass(frozen=True)
class Stat:
    """An entry of an expected sufficient statistic (see `inference`).

    `params` are the parameters in a live one, which is summed anew at each value of them.
    """

    name: str
    idx: tuple[Ix, ...]
    nonnegative: bool = False
    symmetric: bool = False  # in its last two indices
    count: bool = False  # of elements, whatever their data
    params: tuple[str, ...] = ()
    latent_matrix: bool = False  # of a latent matrix's entries, or its inverse's


@dataclass(frozen=True)
class Weight:
    """A row's weight times the posterior of the latents' values at `idx[:-1]`; the row is last."""

    idx: tuple[Ix, ...]
    name: str = "w"


@dataclass(frozen=True)
class Coef:
    """The coefficient of one basis function in a parameter's share of Q, entry by entry.

    It stands for a sum of statistics where tied entries add theirs up first.
    """

    letter: str
    param: str
    idx: tuple[Ix, ...]

    @property
    def name(self) -> str:
        return f"{self.letter}_{self.param}"


Atom = (
    Elem
    | Centered
    | Pivot
    | Seen
    | Value
    | SizeOf
    | Ind
    | LogInd
    | LogDetOf
    | InvOf
    | SumOf
    | LogSumExp
    | Stat
    | Coef
    | Weight
)
Ix = str | int | Elem  # an axis, a fixed place, or an observed index (a gather)
