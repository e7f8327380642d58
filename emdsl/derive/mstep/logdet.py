"""Log determinant against trace, for a positive definite matrix.

max a logdet S + tr(inv(S) B)   ⇒   S = B / a            (a < 0, B negative definite)
max a logdet P + tr(P B)        ⇒   P = inv(-B / a)      (a > 0, B negative definite)
"""

from __future__ import annotations

import sympy as sp

from emdsl.derive.atoms import Atom, Elem, Ind, InvOf, Ix, LogDetOf, Stat, Value
from emdsl.derive.live import params_in
from emdsl.derive.mstep.block import (
    Block,
    Collapse,
    MatrixValue,
    Piece,
    Pooled,
    Update,
    can_vanish,
    coefficient,
    named,
    own_atom,
    quotient,
    renamed,
)


def solve(block: Block) -> Update | None:
    """The update of a posdef parameter that appears in log determinants and traces only."""
    rules = block.restricted
    if block.param.type.kind != "posdef" or (
        rules and (rules.linear or rules.bounded or rules.within)
    ):
        return None
    sorted_ = by_function(block)
    if sorted_ is None:
        return None
    dets, inverses, plain = sorted_
    if not dets or bool(inverses) == bool(plain):
        return None
    a = coefficient(dets, block.batch, block.atoms)
    b = coefficient(inverses or plain, block.cell, block.atoms)
    decided = a.is_nonpositive if inverses else a.is_nonnegative
    if (a.is_nonnegative and inverses) or (a.is_nonpositive and plain):
        return None  # the stationary point is a minimum
    name = block.param.name
    collapse: Collapse = None
    if can_vanish(b, block.atoms):
        collapse = ("zero", 1.0) if inverses else ("infinity", 1.0)
    if any(isinstance(x, Stat) and x.latent_matrix for x in block.atoms.deep(b)):
        collapse = None  # a latent's unit is each column's own: no reference says what is small
    why = "a maximum: the other side of the log determinant has the right sign"
    record: tuple[str, ...] = (
        f"Q = a logdet {name} + tr({'inv(' + name + ')' if inverses else name} B)",
        f"a = {a}",
        f"B = {b}",
        f"stationary: {name} = " + ("B / a" if inverses else "inv(-B / a)"),
        why if decided else "a maximum where the sign of a allows; checked at run time",
    )
    top, bottom = (b if inverses else -b), a
    pooled: Pooled = ()
    if rules is not None and rules.tied:
        pooled, (top, bottom) = named([("B", top, block.cell), ("a", a, block.batch)], block)
        record = (*record, "tied matrices have one Q: their a and B are added up first")
    return Update(
        name, "log determinant and trace", block.cell,
        MatrixValue(quotient(top, bottom), invert=not inverses, pooled=pooled),
        params_in(a, block.atoms) | params_in(b, block.atoms), record,
        collapse,
    )  # fmt: skip


def by_function(block: Block) -> tuple[list[Piece], list[Piece], list[Piece]] | None:
    """The pieces at the cell: log determinants, entries of the inverse, entries of the matrix.

    None where a piece is of no such kind.
    """
    dets: list[Piece] = []
    inverses: list[Piece] = []
    plain: list[Piece] = []
    for piece in block.pieces:
        atom = only(piece, block)
        if atom is None or piece.own != block.atoms.symbol(atom):
            return None
        match atom:
            case LogDetOf(matrix=m):
                dets.append(at_cell(piece, m.batch, block.batch, block))
            case InvOf(matrix=m, i=i, j=j):
                inverses.append(at_cell(piece, (*m.batch, i, j), block.cell, block))
            case Elem(idx=idx):
                plain.append(at_cell(piece, idx, block.cell, block))
            case _:
                return None
    return dets, inverses, plain


def only(piece: Piece, block: Block) -> Atom | None:
    """The one atom of the parameter in a piece."""
    found = [a for a in block.atoms.deep(piece.own) if own_atom(a, block.param.name)]
    return found[0] if len(found) == 1 else None


def at_cell(piece: Piece, idx: tuple[Ix, ...], cell: tuple[str, ...], block: Block) -> Piece:
    """The piece at the cell; a repeated axis (a trace) becomes an indicator on the diagonal.

    So does an entry that is told by its numbers, as where a mean is written out: at these alone.
    """
    names: dict[str, str] = {}
    diagonal: list[tuple[str | Elem | int, str]] = []
    for ix, axis in zip(idx, cell, strict=True):
        if not isinstance(ix, str):
            diagonal.append((ix, axis))
        elif ix in names:
            diagonal.append((names[ix], axis))
        else:
            names[ix] = axis
    out = renamed(piece, names, block.atoms)
    atoms = block.atoms
    for i, j in diagonal:
        one = atoms.symbol(Value(i) if isinstance(i, str) else i) if not isinstance(i, int) else i
        same = atoms.symbol(Ind(sp.Eq(one, atoms.symbol(Value(j)))))
        out = Piece(out.weight * same, out.other, out.own, out.axes | {j}, out.span, out.node)
    return out
