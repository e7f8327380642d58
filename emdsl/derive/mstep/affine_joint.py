"""Several parameters in which Q is jointly quadratic: one linear system for all of them.

An intercept and its slopes need each other's values; solved one after the other they converge
slowly, solved together they are at their joint maximum at once.

    Q = 1/2 x' H x + g' x,  x = (a, b)   ⇒   -[[Haa, Hab], [Hba, Hbb]] (a, b) = (ga, gb)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import sympy as sp

from emdsl.derive.atoms import Elem, Ind, Value
from emdsl.derive.live import params_in
from emdsl.derive.mstep.affine import restricted_record
from emdsl.derive.mstep.block import (
    Joint,
    Piece,
    Update,
    coefficient,
    renamed,
    without_common_factor,
)
from emdsl.derive.mstep.restricted import Restriction
from emdsl.derive.statistics import Term
from emdsl.derive.table import Atoms
from emdsl.model.graph import Param


@dataclass(frozen=True)
class Product:
    """A piece of Q that multiplies these entries of the parameters: one or two."""

    piece: Piece
    entries: tuple[Elem, ...]


@dataclass(frozen=True)
class Placed:
    """A contribution to the system: to the right side of `row`, or to its block with `column`."""

    row: int
    column: int | None
    piece: Piece


def solve(
    params: Sequence[Param],
    terms: Sequence[Term],
    atoms: Atoms,
    rules: Sequence[Restriction] = (),
) -> Update | None:
    """The joint update of parameters each of whose own updates is affine."""
    names = {p.name: i for i, p in enumerate(params)}
    products = _products(terms, names, atoms)
    if products is None:
        return None
    shared = _share_first(params, products)
    batch = (atoms.fresh(params[0].shape[0]),) if shared else ()
    skip = len(batch)
    cells = tuple(tuple(atoms.fresh(e) for e in p.shape[skip:]) for p in params)
    twins = tuple(tuple(atoms.fresh(e) for e in p.shape[skip:]) for p in params)
    placed = [x for product in products for x in _place(product, names, batch, cells, twins, atoms)]
    apart = batch if all(r.apart for r in rules) else ()
    pieces, common = without_common_factor(tuple(x.piece for x in placed), apart, atoms)
    placed = [replace(x, piece=piece) for x, piece in zip(placed, pieces, strict=True)]
    matrix, right = [], []
    for i in range(len(params)):
        row = []
        for j in range(len(params)):
            block = [x.piece for x in placed if x.row == i and x.column == j]
            row.append(-coefficient(block, (*batch, *cells[i], *twins[j]), atoms))
        matrix.append(tuple(row))
        mine = [x.piece for x in placed if x.row == i and x.column is None]
        right.append(coefficient(mine, (*batch, *cells[i]), atoms))
    form = Joint(tuple(p.name for p in params), batch, cells, twins, tuple(matrix), tuple(right))
    every = [*(e for row in matrix for e in row), *right]
    needs = frozenset().union(*(params_in(e, atoms) for e in every))
    listed = ", ".join(p.name for p in params)
    record = [f"Q is jointly quadratic in {listed}: one linear system -H x = g"]
    if common != 1:
        record.append(f"the positive factor {common} is common to all terms and cancels")
    for i, p in enumerate(params):
        record.append(f"g[{p.name}] = {right[i]}")
        for j, q in enumerate(params):
            if j >= i:
                record.append(f"-H[{p.name}, {q.name}] = {matrix[i][j]}")
    record.append("a maximum: Q is concave, H being minus a weighted sum of squares")
    for rule in rules:
        record += [line for line in restricted_record(rule) if line not in record]
    first = params[0]
    return Update(
        first.name, f"affine, together with {', '.join(p.name for p in params[1:])}",
        (*batch, *cells[0]), form, needs - set(names), tuple(record),
        also=tuple(p.name for p in params[1:]),
    )  # fmt: skip


def _products(terms: Sequence[Term], names: dict[str, int], atoms: Atoms) -> list[Product] | None:
    """The terms with any of the parameters, each a product of one or two of their entries."""
    out = []
    for term in terms:
        own: list[sp.Expr] = []
        other: list[sp.Expr] = []
        for factor in sp.Mul.make_args(term.basis):
            mine = any(isinstance(a, Elem) and a.name in names for a in atoms.deep(factor))
            (own if mine else other).append(factor)
        if not own:
            continue
        entries: list[Elem] = []
        for factor in own:
            base, power = factor.as_base_exp()
            atom = atoms.atom(base) if isinstance(base, sp.Symbol) else None
            if not isinstance(atom, Elem) or power not in (1, 2):
                return None
            if len(set(atom.idx)) != len(atom.idx) or not all(isinstance(i, str) for i in atom.idx):
                return None
            entries += [atom] * int(power)
        if len(entries) > 2:
            return None
        piece = Piece(
            term.weight(atoms), sp.Mul(*other), sp.Mul(*own), term.axes, term.span, term.node
        )
        out.append(Product(piece, tuple(entries)))
    return out


def _share_first(params: Sequence[Param], products: list[Product]) -> bool:
    """Whether every product takes its entries at one place of a first dimension all have."""
    if len({p.shape[:1] for p in params}) != 1 or not params[0].shape:
        return False
    return all(len(x.entries) == 1 or x.entries[0].idx[0] == x.entries[1].idx[0] for x in products)


def _place(
    product: Product,
    names: dict[str, int],
    batch: tuple[str, ...],
    cells: tuple[tuple[str, ...], ...],
    twins: tuple[tuple[str, ...], ...],
    atoms: Atoms,
) -> list[Placed]:
    """A product's place in the system: a right side, or the two mirrored places of a pair."""
    if len(product.entries) == 1:
        entry = product.entries[0]
        row = names[entry.name]
        mapping = dict(zip(map(str, entry.idx), (*batch, *cells[row]), strict=True))
        return [Placed(row, None, renamed(product.piece, mapping, atoms))]
    out = []
    for first, second in (product.entries, product.entries[::-1]):
        row, column = names[first.name], names[second.name]
        mapping = dict(zip(map(str, first.idx), (*batch, *cells[row]), strict=True))
        same: list[tuple[str, str]] = []
        for ix, axis in zip(map(str, second.idx), (*batch, *twins[column]), strict=True):
            if ix not in mapping:
                mapping[ix] = axis
            elif mapping[ix] != axis:
                same.append((mapping[ix], axis))
        piece = renamed(product.piece, mapping, atoms)
        for c, t in same:
            here = atoms.symbol(Ind(sp.Eq(atoms.symbol(Value(c)), atoms.symbol(Value(t)))))
            piece = replace(piece, weight=piece.weight * here, axes=piece.axes | {t})
        out.append(Placed(row, column, piece))
    return out
