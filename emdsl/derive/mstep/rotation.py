"""An orthogonal matrix in quadratic forms of its columns.

max sum_l r_l' M_l r_l  over  R = [r_1 ... r_D],  R'R = I

M_l = c_l B with c_l > 0 ⇒ the r_l are eigenvectors of B, the largest eigenvalue's where c_l is
largest (Theobald 1975; Celeux and Govaert 1995). Otherwise the columns' matrices have no common
eigenvectors and nothing closed is left; the sum is raised in the plane of two columns after
another, where it is A cos 2t + B sin 2t and its highest point atan2(B, A) / 2 (Flury and Gautschi
1986), until no plane raises it. Newton steps between the rounds make that quick.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import sympy as sp

from emdsl.derive.atoms import Elem, Ind, Value
from emdsl.derive.live import params_in
from emdsl.derive.mstep.block import (
    Block,
    Eigenvectors,
    Piece,
    Planes,
    Update,
    coefficient,
    renamed,
    without_common_factor,
)
from emdsl.derive.mstep.occurrences import entries_in


def solve(block: Block) -> Update | None:
    """The update of an orthogonal matrix whose columns are each in quadratic forms of their own."""
    rules = block.restricted
    if block.param.type.kind != "orthogonal" or (rules and (rules.tied or rules.linear)):
        return None
    atoms = block.atoms
    *batch, row, column = block.cell
    twin = atoms.fresh(atoms.axes[row].extent)
    pieces = []
    for piece in block.pieces:
        form = _quadratic(piece, block)
        if form is None:
            return None
        pieces.append(_at(form, twin, block))
    rest, common = without_common_factor(tuple(pieces), (*batch, column), atoms)
    name = block.param.name
    lead = f"{', '.join(batch)}, " if batch else ""
    head = f"Q = sum over {column} of r[{column}]' M[{column}] r[{column}], r the columns of {name}"
    if column in atoms.axes_of(common) and not any(column in atoms.axes_of(_of(p)) for p in rest):
        matrix = coefficient(rest, (*batch, row, twin, column), atoms)  # the same for each column
        lines = (
            head,
            f"with M[{column}] = c[{column}] B,  c[{column}] = {common}",
            f"B[{lead}{row}, {twin}] = {matrix}",
            "highest, over orthogonal matrices, at the eigenvectors of B, the largest eigenvalue's",
            f"where c[{column}] is largest",
        )
        form_ = Eigenvectors(matrix, common, twin)
        needs = params_in(matrix, atoms) | params_in(common, atoms)
        return Update(name, "eigenvectors", block.cell, form_, needs, lines)
    matrices = coefficient(pieces, (*batch, row, twin, column), atoms)
    if column not in atoms.axes_of(matrices):
        return None  # the sum is tr(M), whatever the rotation
    record = (
        head,
        f"with M[{lead}{row}, {twin}, {column}] = {matrices}",
        "the M share no eigenvectors: no closed form",
        "in the plane of two columns p, q the sum is A cos 2t + B sin 2t and a constant, with",
        "2 A = p' M[p] p + q' M[q] q - q' M[p] q - p' M[q] p and B = p' (M[p] - M[q]) q",
        "so each plane is turned by t = atan2(B, A) / 2, its highest point; between rounds of all",
        "planes a Newton step is taken where it raises Q; until no plane raises it",
    )
    needs = params_in(matrices, atoms)
    return Update(
        name, "plane rotations", block.cell, Planes(matrices, twin), needs, record
    )  # fmt: skip


@dataclass(frozen=True)
class Quadratic:
    """A piece R[.., i, l] R[.., j, l]: its two entries."""

    piece: Piece
    first: Elem
    second: Elem


def _quadratic(piece: Piece, block: Block) -> Quadratic | None:
    """A piece as a product of two entries of one column; None where it isn't."""
    entries = entries_in(piece, block)
    if not entries or len(entries) > 2:
        return None
    first, second = entries[0], entries[-1]
    product = block.atoms.symbol(first) * block.atoms.symbol(second)
    alike = first.idx[-1] == second.idx[-1] and first.idx[:-2] == second.idx[:-2]
    return Quadratic(piece, first, second) if piece.own == product and alike else None


def _at(form: Quadratic, twin: str, block: Block) -> Piece:
    """The piece at the cell, its second entry's row at the twin; one row gets [row = twin]."""
    atoms = block.atoms
    names = {str(ix): axis for ix, axis in zip(form.first.idx, block.cell, strict=True)}
    row, other = block.cell[-2], str(form.second.idx[-2])
    if form.first == form.second:
        here = atoms.symbol(Ind(sp.Eq(atoms.symbol(Value(row)), atoms.symbol(Value(twin)))))
        piece = renamed(form.piece, names, atoms)
        return replace(piece, weight=piece.weight * here, axes=piece.axes | {twin})
    return renamed(form.piece, {**names, other: twin}, atoms)


def _of(piece: Piece) -> sp.Expr:
    return piece.weight * piece.other
