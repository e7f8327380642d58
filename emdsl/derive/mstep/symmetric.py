"""The invertible symmetric matrices among a piece's factors: what may cancel from a mean's update.

An entry of a positive definite parameter or of its inverse is one; R[i, l] f(l) R[j, l], summed
over l with R orthogonal and f positive, is another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import sympy as sp

from emdsl.derive.atoms import Elem, InvOf, Ix, Matrix
from emdsl.derive.mstep.block import Piece
from emdsl.derive.table import Atoms


@dataclass(frozen=True)
class Symmetric:
    """An entry of a symmetric matrix: its `rows` i and j, axes of its `batch`, its `inner` sum.

    `name` is the matrix as people read it; `rest` what of it is summed over the inner axis.
    """

    expr: sp.Expr
    rows: tuple[str, str]
    batch: frozenset[str]
    name: str
    inner: tuple[str, ...] = ()
    rest: sp.Expr = sp.S.One

    def label(self, names: Mapping[str, str], atoms: Atoms) -> str:
        """The matrix by its name: one for every piece that has it, at a cell's `names`."""
        if not self.inner:
            return self.name
        column = atoms.axes[self.inner[0]].extent
        axis = f"{column}~column"
        if axis not in atoms.axes:
            atoms.add_axis(axis, "event", column)
        known: dict[str, Ix] = {**names, self.inner[0]: axis}
        text = str(atoms.rename(self.rest, known)).replace(axis, "l")
        return f"{self.name} diag_l({text}) {self.name}'"


def symmetric_factors(piece: Piece, atoms: Atoms) -> Iterator[Symmetric]:
    """Every such matrix in the factors of other parameters."""
    factors = sp.Mul.make_args(piece.other)
    columns: list[tuple[sp.Expr, Elem]] = []
    lead: Sequence[Ix]
    for factor in factors:
        if not isinstance(factor, sp.Symbol):
            continue
        match atoms.atom(factor):
            case InvOf(matrix=Matrix(name=own, batch=lead), i=str(i), j=str(j)) if i != j:
                name = f"inv({own})"
            case Elem(role="param", kind="posdef", name=name, idx=(*lead, str(i), str(j))) if (
                i != j
            ):
                pass
            case Elem(role="param", kind="orthogonal") as entry:
                columns.append((factor, entry))
                continue
            case _:
                continue
        batch = frozenset(b for b in lead if isinstance(b, str))
        if len(batch) == len(lead):
            yield Symmetric(factor, (i, j), batch, name)
    for (one, first), (two, second) in combinations(columns, 2):
        *places, row, column = first.idx
        *others, twin, last = second.idx
        if (first.name, places, column) != (second.name, others, last) or row == twin:
            continue
        if not (isinstance(row, str) and isinstance(twin, str) and isinstance(column, str)):
            continue
        if column in atoms.axes_of(piece.weight):
            continue
        expr = sp.Mul(*(f for f in factors if column in atoms.axes_of(f)))
        rest = expr / (one * two)
        batch = atoms.axes_of(expr) - {row, twin, column}
        if rest.is_positive and all(isinstance(b, str) for b in places):
            yield Symmetric(expr, (row, twin), batch, first.name, (column,), rest)
