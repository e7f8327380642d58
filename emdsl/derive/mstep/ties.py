"""Axes of two entries between which a second derivative is zero unless they are the same.

Of b[group[n]] the Hessian is zero between different groups: each row picks one. Such blocks are
kept without their zeros, by one of the two axes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sympy as sp

from emdsl.derive.atoms import Ind, Value
from emdsl.derive.table import Atoms

Ties = tuple[tuple[int, int], ...]


def ties(expr: sp.Expr, one: str, other: str, atoms: Atoms) -> bool:
    """Whether a product has [one = other] as a factor, or a place of one data entry on both."""
    direct, pinned = _places(expr, one, other, atoms)
    return direct or bool(pinned)


def tied(
    cell: Sequence[str], twin: Sequence[str], products: Iterable[sp.Expr], atoms: Atoms
) -> Ties:
    """Places in `cell` and `twin` of the axes that tie in every product, each of one once.

    Only those that an entry of the data picks on: over the others a Hessian is as it is written.
    """
    products = tuple(products)
    found: list[tuple[int, int]] = []
    for i, one in enumerate(cell):
        for j, other in enumerate(twin):
            if atoms.axes[one].extent != atoms.axes[other].extent or j in {b for _, b in found}:
                continue
            places = [_places(p, one, other, atoms) for p in products]
            if all(a or b for a, b in places) and any(b for _, b in places):
                found.append((i, j))
                break
    return tuple(found)


def once(expr: sp.Expr, atoms: Atoms) -> sp.Expr:
    """A product in which an indicator stands once: its square is itself."""
    return sp.Mul(*(f.base if _is_power_of_one(f, atoms) else f for f in sp.Mul.make_args(expr)))


def _is_power_of_one(factor: sp.Expr, atoms: Atoms) -> bool:
    return (
        isinstance(factor, sp.Pow)
        and isinstance(factor.base, sp.Symbol)
        and bool(factor.exp.is_Integer and factor.exp.is_positive)
        and isinstance(atoms.atom(factor.base), Ind)
    )


def _places(expr: sp.Expr, one: str, other: str, atoms: Atoms) -> tuple[bool, set[sp.Basic]]:
    """Whether [one = other] is a factor, and what is picked on both axes."""
    pinned: dict[str, set[sp.Basic]] = {one: set(), other: set()}
    for factor in sp.Mul.make_args(expr):
        atom = atoms.atom(factor) if isinstance(factor, sp.Symbol) else None
        if not (isinstance(atom, Ind) and isinstance(atom.condition, sp.Eq)):
            continue
        sides = {}
        for side in atom.condition.args:
            value = atoms.atom(side) if isinstance(side, sp.Symbol) else None
            sides[value.axis if isinstance(value, Value) else side] = side
        if {one, other} <= set(sides):
            return True, set()
        for axis in (one, other):
            if axis in sides:
                pinned[axis] |= {s for k, s in sides.items() if k != axis}
    return False, pinned[one] & pinned[other]
