"""Indicators [entry = a] of an axis that an entry of data or inputs is a place on."""

from __future__ import annotations

from collections.abc import Collection

import sympy as sp

from emdsl.derive.atoms import Elem, Ind, Value
from emdsl.derive.table import Atoms

_PLACES = ("category", "index", "bool", "count", "int")  # kinds of whole numbers


def picked(
    expr: sp.Expr, axes: Collection[str], atoms: Atoms
) -> dict[str, tuple[sp.Expr, sp.Symbol]]:
    """For each of the axes that a factor of the product picks a place on: that factor, the entry.

    Where several factors pick on one axis it is the last.
    """
    found: dict[str, tuple[sp.Expr, sp.Symbol]] = {}
    for factor in sp.Mul.make_args(expr):
        atom = atoms.atom(factor) if isinstance(factor, sp.Symbol) else None
        if not (isinstance(atom, Ind) and isinstance(atom.condition, sp.Eq)):
            continue
        for one, other in (atom.condition.args, atom.condition.args[::-1]):
            value = atoms.atom(one) if isinstance(one, sp.Symbol) else None
            entry = atoms.atom(other) if isinstance(other, sp.Symbol) else None
            if not (isinstance(value, Value) and isinstance(entry, Elem)):
                continue
            if value.axis in axes and entry.role != "const" and entry.kind in _PLACES:
                found[value.axis] = factor, other
    return found
