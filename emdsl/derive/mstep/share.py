"""What a numeric block of the M-step is made of: its share of Q, and that share's derivatives."""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp


@dataclass(frozen=True)
class RowPart:
    """A sum over the rows of a plate: `expr`, with their weights, over `axes` too."""

    plate: str
    latents: tuple[str, ...]  # whose posterior the weights are
    expr: sp.Expr
    axes: frozenset[str]


@dataclass(frozen=True)
class Share:
    """A function of the block's parameters: sums of statistics, and sums over rows."""

    static: sp.Expr
    rows: tuple[RowPart, ...]


@dataclass(frozen=True)
class Formula:
    """A parameter's entry at the axes `cell`, as a formula."""

    param: str
    cell: tuple[str, ...]
    value: sp.Expr


@dataclass(frozen=True)
class Why:
    """How a block came to be: what the report and the comments say of it.

    `terms` are those no closed form has, `mixed` where they mix data and parameters; `profiled` the
    parameters put in by their formulas; `common` a positive factor of all terms, left out.
    """

    terms: tuple[sp.Expr, ...]
    mixed: bool
    profiled: tuple[Formula, ...]
    common: sp.Expr


@dataclass(frozen=True)
class Deviation:
    """A sum of -weight |target - sum_i design_i theta_i| over `sums`, and over rows unless prior.

    `weight` and `target` are over the batch axes and `sums`; `design` is for each parameter, over
    its own axes too.
    """

    plate: str  # "" where no rows are in it: a prior's
    latents: tuple[str, ...]  # whose posterior is in the weight
    weight: sp.Expr
    target: sp.Expr
    design: tuple[sp.Expr, ...]
    sums: tuple[str, ...]


@dataclass(frozen=True)
class Numeric:
    """Newton's method for some parameters; arrays are over the batch axes, then a cell's own.

    `cells` are each parameter's own axes as a row of the Hessian, `twins` as a column; `places` the
    positions of the parameter's dimensions that are batch axes, then those that are its own. Of
    `corners` nothing else is told: the value and its derivatives are without them. `ties` are, for
    each of the Hessian's upper blocks row by row, the places in a cell and a twin of axes between
    which it is zero unless they are the same, and `blocks` what it is there, by the cell's.
    """

    params: tuple[str, ...]
    batch: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    twins: tuple[tuple[str, ...], ...]
    places: tuple[tuple[int, ...], ...]
    value: Share
    gradient: tuple[Share, ...]
    hessian: tuple[tuple[Share, ...], ...]
    ties: tuple[tuple[tuple[int, int], ...], ...]
    blocks: tuple[Share, ...]
    concave: bool
    profiled: tuple[str, ...]  # parameters whose formulas were put in
    given: Numeric | None  # where there are such: the same with their values, for when one is fixed
    shift: tuple[int | None, ...]  # own axes along which adding one number changes nothing
    why: Why
    corners: tuple[Deviation, ...] = ()  # absolute deviations beside what has derivatives
    bent: Share | None = None  # the same as they stand in Q

    def block_axes(self, number: int) -> tuple[str, ...]:
        """The axes of one of `blocks`, beside the batch's: those that tie first."""
        count = len(self.params)
        pairs = [(i, j) for i in range(count) for j in range(i, count)]
        i, j = pairs[number]
        ties = self.ties[number]
        one, other = {a for a, _ in ties}, {b for _, b in ties}
        return (
            *(self.cells[i][a] for a, _ in ties),
            *(x for a, x in enumerate(self.cells[i]) if a not in one),
            *(x for b, x in enumerate(self.twins[j]) if b not in other),
        )


@dataclass(frozen=True)
class Absolute:
    """Weighted absolute deviations from affine functions of some parameters, plus `slope . theta`.

    Axes as in `Numeric`; `slope` is for each parameter, over the batch axes and its own.
    """

    params: tuple[str, ...]
    batch: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    places: tuple[tuple[int, ...], ...]
    deviations: tuple[Deviation, ...]
    slope: tuple[sp.Expr, ...]
    twins: tuple[tuple[str, ...], ...] = ()
    curve: tuple[tuple[sp.Expr, ...], ...] = ()  # second derivatives of squares, by cells and twins
    apart: bool = True  # whether each deviation is of one entry

    @property
    def is_median(self) -> bool:
        """Whether each problem has one unknown."""
        return self.cells == ((),)
