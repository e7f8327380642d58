"""Derivatives of sums over named axes with respect to the entries of a parameter.

    d/d theta[c]  sum_a f(theta[a], ...)  =  f'(theta[c], ...)

SymPy differentiates the scalar inside; which axis of which sum the entry's place takes is settled
here, by names that are never used twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from emdsl.derive.atoms import Elem, Ind, InvOf, Ix, LogDetOf, LogSumExp, Matrix, SumOf, Value
from emdsl.derive.table import Atoms


class Untaken(Exception):  # not an error: another rule may do
    """A derivative that isn't taken: of a matrix's inverse, or of a function with a corner."""

    def __init__(self, expr: sp.Basic) -> None:
        super().__init__(str(expr))
        self.expr = expr


@dataclass(frozen=True)
class Summand:
    """`expr` summed over `axes`; its other axes are the result's."""

    expr: sp.Expr
    axes: frozenset[str]


Pending = dict[str, str]  # an axis not yet reached, and the place's axis it is equal to


def slope(x: Summand, name: str, cell: tuple[str, ...], atoms: Atoms) -> tuple[Summand, ...]:
    """The derivative with respect to the entry of parameter `name` at the axes `cell`.

    An axis of the result that has to be one of the cell's is tested for: [a = c].
    Raises Untaken.
    """
    out = []
    for found, pending in _partial(x.expr, name, cell, atoms):
        expr, axes = found, x.axes
        for axis, place in pending.items():
            if axis in axes:
                expr = atoms.rename(expr, {axis: place})
                axes = axes - {axis}
            else:
                expr = expr * same(axis, place, atoms)
        out.append(Summand(expr, axes))
    return tuple(out)


def same(a: str, b: str, atoms: Atoms) -> sp.Expr:
    """[a = b] of two axes."""
    return atoms.symbol(Ind(sp.Eq(atoms.symbol(Value(a)), atoms.symbol(Value(b)))))


def _partial(
    expr: sp.Expr, name: str, cell: tuple[str, ...], atoms: Atoms
) -> list[tuple[sp.Expr, Pending]]:
    out: list[tuple[sp.Expr, Pending]] = []
    for symbol in sorted(expr.free_symbols, key=str):
        inner = _of_symbol(symbol, name, cell, atoms)
        if not inner:
            continue
        outer = sp.diff(expr, symbol)
        if outer.has(sp.Derivative, sp.Subs, sp.sign, sp.DiracDelta):
            raise Untaken(expr)
        if outer != 0:
            out += [(outer * d, pending) for d, pending in inner]
    return out


def _of_symbol(
    symbol: sp.Symbol, name: str, cell: tuple[str, ...], atoms: Atoms
) -> list[tuple[sp.Expr, Pending]]:
    match atoms.atom(symbol):
        case Elem(role="param", name=n, idx=idx) if n == name:
            return [_at(idx, cell, atoms)]
        case SumOf(axes=axes, body=body):
            return _of_sum(axes, body, sp.Integer(1), name, cell, atoms)
        case LogSumExp(axes=axes, body=body):
            return _of_sum(axes, body, sp.exp(body - symbol), name, cell, atoms)
        case (
            LogDetOf(matrix=Matrix(role="param", name=n))
            | InvOf(matrix=Matrix(role="param", name=n))
        ) if n == name:
            raise Untaken(symbol)
        case _:
            return []


def _at(idx: tuple[Ix, ...], cell: tuple[str, ...], atoms: Atoms) -> tuple[sp.Expr, Pending]:
    """theta[idx] is theta[cell] where each index is the cell's."""
    pending: Pending = {}
    factor: sp.Expr = sp.Integer(1)
    for ix, place in zip(idx, cell, strict=True):
        if isinstance(ix, str) and ix not in pending:
            pending[ix] = place
        elif isinstance(ix, str):
            factor *= same(pending[ix], place, atoms)
        else:
            there = atoms.symbol(ix) if isinstance(ix, Elem) else sp.Integer(ix)
            factor *= atoms.symbol(Ind(sp.Eq(there, atoms.symbol(Value(place)))))
    return factor, pending


def _of_sum(
    axes: tuple[str, ...],
    body: sp.Expr,
    weight: sp.Expr,
    name: str,
    cell: tuple[str, ...],
    atoms: Atoms,
) -> list[tuple[sp.Expr, Pending]]:
    """Of sum_axes f, given f: sum_axes weight df."""
    out = []
    for d, pending in _partial(body, name, cell, atoms):
        inside: dict[str, Ix] = {a: c for a, c in pending.items() if a in axes}
        rest = tuple(a for a in axes if a not in inside)
        expr = atoms.rename(weight * d, inside)
        out.append((atoms.sum(rest, expr), {a: c for a, c in pending.items() if a not in inside}))
    return out
