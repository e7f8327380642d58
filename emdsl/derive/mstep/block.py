"""One parameter's share of Q, entry by entry: what every M-step rule starts from.

    Q(theta) = sum over terms of  weight x own(theta)

`own` holds the factors with the parameter being solved for; `other` those with other parameters;
`weight` the numbers, statistics and indicators.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import sympy as sp

from emdsl.derive.atoms import Atom, Coef, Elem, InvOf, Ix, LogDetOf, Matrix, Stat
from emdsl.derive.mstep.restricted import Restriction
from emdsl.derive.mstep.share import Absolute, Numeric
from emdsl.derive.statistics import Term
from emdsl.derive.table import Atoms
from emdsl.model.graph import Param
from emdsl.source import Span

# where the likelihood is unbounded in a parameter, and the power of it that is a variance
Collapse = tuple[Literal["zero", "infinity"], float] | None


@dataclass(frozen=True)
class Piece:
    """A summand of the block's Q, summed over `axes`."""

    weight: sp.Expr
    other: sp.Expr
    own: sp.Expr
    axes: frozenset[str]
    span: Span
    node: str


@dataclass(frozen=True)
class Block:
    """A parameter, names for the axes of one of its entries, its pieces of Q, its constraints."""

    param: Param
    cell: tuple[str, ...]
    pieces: tuple[Piece, ...]
    atoms: Atoms
    restricted: Restriction | None = None

    @property
    def alone(self) -> tuple[str, ...]:
        """The axes along which entries are solved apart: a positive factor over them cancels."""
        return self.cell if self.restricted is None or self.restricted.apart else ()

    @property
    def batch(self) -> tuple[str, ...]:
        return self.cell[: len(self.param.batch)]

    @property
    def entry(self) -> sp.Symbol:
        """The symbol of the entry being solved for."""
        return self.atoms.symbol(Elem("param", self.param.name, self.cell, self.param.type.kind))


# sums that tied entries add up before a formula is applied: the symbol they go by in it, each sum
Pooled = tuple[tuple[sp.Symbol, sp.Expr], ...]


@dataclass(frozen=True)
class Entries:
    """Every entry by one scalar formula; `bounded`: moved to its bound where it is beyond."""

    value: sp.Expr
    pooled: Pooled = ()
    bounded: bool = False


@dataclass(frozen=True)
class Normalized:
    """Entries proportional to `counts` over the last axis; `tied` ones pool theirs first."""

    counts: sp.Expr
    tied: bool = False


@dataclass(frozen=True)
class Linear:
    """Solve `matrix @ x = right` over the `coupled` positions; `twin` are their second axes."""

    matrix: sp.Expr
    right: sp.Expr
    coupled: tuple[int, ...]
    twin: tuple[str, ...]


@dataclass(frozen=True)
class MatrixValue:
    """A symmetric matrix, entry by entry; its inverse where `invert`."""

    value: sp.Expr
    invert: bool
    pooled: Pooled = ()


@dataclass(frozen=True)
class MatrixQuadratic:
    """The positive definite S with S `plain` S - `count` S - `inverse` = 0."""

    count: sp.Expr
    plain: sp.Expr
    inverse: sp.Expr


@dataclass(frozen=True)
class Patterned:
    """Of what constraints leave of S, that where
    `count` logdet S - tr(S `plain`) - tr(inv(S) `inverse`) is highest.
    """

    count: sp.Expr
    plain: sp.Expr
    inverse: sp.Expr


@dataclass(frozen=True)
class BestOf:
    """The root in the support with the highest objective, chosen at run time."""

    roots: tuple[sp.Expr, ...]
    objective: sp.Expr  # in the block's entry
    pooled: Pooled = ()


@dataclass(frozen=True)
class Joint:
    """One linear system for several parameters, by blocks: `matrix[i][j] @ x[j] = right[i]`.

    Each parameter's coupled axes are `cells[i]` as a row and `twins[i]` as a column; `batch` axes
    are shared, a system each.
    """

    params: tuple[str, ...]
    batch: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    twins: tuple[tuple[str, ...], ...]
    matrix: tuple[tuple[sp.Expr, ...], ...]
    right: tuple[sp.Expr, ...]


@dataclass(frozen=True)
class UnitProduct:
    """Over the last axis, the entries t with product 1 at which A log t + B t^power is highest."""

    logs: sp.Expr  # A
    powers: sp.Expr  # B
    power: sp.Rational


@dataclass(frozen=True)
class Eigenvectors:
    """The eigenvectors of `matrix`, the largest eigenvalue's where `weights` is largest.

    The cell's last two axes are the matrix's rows and columns; `matrix` is over `twin` in place
    of the columns.
    """

    matrix: sp.Expr
    weights: sp.Expr
    twin: str


@dataclass(frozen=True)
class Planes:
    """Rotated in the plane of each pair of columns r_l, raising sum_l r_l' matrices_l r_l.

    `matrices` is over the cell's row axis, `twin`, and the cell's column axis l.
    """

    matrices: sp.Expr
    twin: str


Form = (
    Joint | Entries | Normalized | Linear | MatrixValue | BestOf | UnitProduct | Eigenvectors
    | Planes | Numeric | Absolute | MatrixQuadratic
    | Patterned
)  # fmt: skip


@dataclass(frozen=True)
class Update:
    """How a parameter is computed from the statistics, and the record of why.

    `also` are the further parameters that a joint system solves with it. `together` is a position
    of the cell along which the formula holds only where all entries are free or none is. `copies`
    are parameters that equal one of them, each with that one; `under` the constraints on all these.
    """

    param: str
    rule: str
    cell: tuple[str, ...]
    form: Form
    needs: frozenset[str]
    record: tuple[str, ...]
    collapse: Collapse = None
    also: tuple[str, ...] = ()
    together: int | None = None
    copies: tuple[tuple[str, str], ...] = ()
    under: tuple[str, ...] = ()

    @property
    def solved(self) -> tuple[str, ...]:
        """Every parameter that it gives a value."""
        return (self.param, *self.also, *(copy for copy, _ in self.copies))


def own_atom(atom: Atom, name: str) -> bool:
    match atom:
        case Elem(role="param", name=n):
            return n == name
        case (
            LogDetOf(matrix=Matrix(role="param", name=n))
            | InvOf(matrix=Matrix(role="param", name=n))
        ):
            return n == name
        case _:
            return False


def block_of(
    param: Param, terms: Iterable[Term], atoms: Atoms, restricted: Restriction | None = None
) -> Block:
    """Collect the terms of Q with this parameter."""
    cell = tuple(atoms.fresh(e) for e in param.shape)
    pieces = []
    for term in terms:
        own: list[sp.Expr] = []
        other: list[sp.Expr] = []
        for factor in sp.Mul.make_args(term.basis):
            mine = any(own_atom(a, param.name) for a in atoms.deep(factor))
            (own if mine else other).append(factor)
        if own:
            pieces.append(
                Piece(
                    term.weight(atoms),
                    sp.Mul(*other),
                    sp.Mul(*own),
                    term.axes,
                    term.span,
                    term.node,
                )
            )
    return Block(param, cell, tuple(pieces), atoms, restricted)


def renamed(piece: Piece, names: dict[str, str], atoms: Atoms) -> Piece:
    """The piece with axes renamed throughout."""
    ixs: dict[str, Ix] = dict(names)
    return replace(
        piece,
        weight=atoms.rename(piece.weight, ixs),
        other=atoms.rename(piece.other, ixs),
        own=atoms.rename(piece.own, ixs),
        axes=frozenset(names.get(a, a) for a in piece.axes),
    )


def coefficient(pieces: Iterable[Piece], keep: Iterable[str], atoms: Atoms) -> sp.Expr:
    """The pieces' weights and other factors, summed over every axis not kept."""
    kept = set(keep)
    total: sp.Expr = sp.Integer(0)
    for piece in pieces:
        sums = tuple(sorted(piece.axes - kept))
        total += atoms.sum(sums, piece.weight * piece.other)
    return total


def without_common_factor(
    pieces: tuple[Piece, ...], cell: tuple[str, ...], atoms: Atoms
) -> tuple[tuple[Piece, ...], sp.Expr]:
    """Cancel positive factors of other parameters that all pieces share, entry by entry.

    They don't move the maximum: the noise variance drops out of a mean's update.
    """
    if not pieces:
        return pieces, sp.Integer(1)
    shared: dict[sp.Expr, sp.Expr] | None = None
    for piece in pieces:
        powers = {
            base: power
            for base, power in (f.as_base_exp() for f in sp.Mul.make_args(piece.other))
            if (base**power).is_positive and atoms.axes_of(base) <= set(cell)
        }
        shared = (
            powers if shared is None else {b: e for b, e in shared.items() if powers.get(b) == e}
        )
    common = sp.Mul(*(b**e for b, e in (shared or {}).items()))
    if common == 1:
        return pieces, common
    return tuple(replace(p, other=p.other / common) for p in pieces), common


def named(
    sums: Iterable[tuple[str, sp.Expr, tuple[str, ...]]], block: Block
) -> tuple[Pooled, tuple[sp.Symbol, ...]]:
    """Symbols for sums over the statistics, each (letter, sum, its axes)."""
    symbols = []
    pooled = []
    for letter, expr, idx in sums:
        symbols.append(block.atoms.symbol(Coef(letter, block.param.name, idx)))
        pooled.append((symbols[-1], expr))
    return tuple(pooled), tuple(symbols)


def can_vanish(coefficient: sp.Expr, atoms: Atoms) -> bool:
    """Whether a coefficient can go to zero by what the data are, elements staying where they are.

    A sum of squares can; a count of elements can't, nor what a prior adds a constant to.
    """
    for term in sp.Add.make_args(sp.expand(coefficient)):
        stats = [a for a in atoms.deep(term) if isinstance(a, Stat)]
        if not stats:
            return False
    every = [a for a in atoms.deep(coefficient) if isinstance(a, Stat)]
    return any(not a.count for a in every)


def quotient(top: sp.Expr, bottom: sp.Expr) -> sp.Expr:
    """top / bottom with the numbers multiplied out: sums stay sums of plain products."""
    number, rest = bottom.as_coeff_Mul()
    return sp.expand(top / number) / rest
