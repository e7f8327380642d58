"""Location arguments, found by symmetry: shift variate and argument alike and nothing changes.

    log p(x + c | m + c) = log p(x | m) for every c

Such a node is written about a pivot, a fixed value of its location's parameters: the data become
x - location(pivot), the parameters theta - pivot, and sums of squares lose no digits at any offset.
"""

from __future__ import annotations

from functools import cache

import sympy as sp

from emdsl.derive.atoms import Atoms, Centered, Elem, Ix, Pivot, SumOf
from emdsl.derive.scalarize import Scalarizer
from emdsl.families.family import Family
from emdsl.families.vocabulary import Dim
from emdsl.model.graph import Draw, Expr


@cache
def location_argument(family: Family, names: tuple[str, ...]) -> str | None:
    """The argument that is a location of the variate, if there is one."""
    if family.kind != "real":
        return None
    # the length of a vector doesn't change when it is shifted
    tree = family.log_density_in(names).replace(Dim, lambda v: sp.Symbol("D", positive=True))
    x, c = family.variable, sp.Symbol("c", real=True)
    for name in names:
        m = family.symbol(name)
        if m not in tree.free_symbols or not m.is_real or m.is_positive:
            continue
        shifted = tree.xreplace({x: x + c, m: m + c})
        if x in tree.free_symbols and sp.expand(shifted - tree) == 0:
            return name
    return None


def linear_params(arg: Expr, place: tuple[Ix, ...], s: Scalarizer) -> tuple[Elem, ...] | None:
    """The entries of real parameters a location is linear in; None where it is anything else."""
    parts = s.scalar(arg, place)
    if len(parts) != 1 or parts[0][0] != sp.true:
        return None
    found = _linear(parts[0][1], s.atoms)
    return found if found else None


def _linear(expr: sp.Expr, atoms: Atoms) -> tuple[Elem, ...] | None:
    found: list[Elem] = []
    for term in sp.Add.make_args(sp.expand(expr)):
        if not atoms.has_param(term):
            continue
        with_param = [f for f in sp.Mul.make_args(term) if atoms.has_param(f)]
        if len(with_param) != 1 or not isinstance(with_param[0], sp.Symbol):
            return None
        atom = atoms.atom(with_param[0])
        if isinstance(atom, SumOf):
            inside = _linear(atom.body, atoms)
            if inside is None:
                return None
            found.extend(inside)
        elif isinstance(atom, Elem) and atom.kind == "real":
            found.append(atom)
        else:
            return None
    return tuple(found)


def centered(
    of: Elem, location: sp.Expr, pivots: dict[str, tuple[int, ...]], atoms: Atoms
) -> tuple[sp.Expr, sp.Expr]:
    """The centred variate, and the location in parameters about the pivot, offsets dropped."""
    return (
        atoms.symbol(Centered(of, _at_pivot(location, pivots, atoms))),
        _params_only(location, atoms),
    )


def _at_pivot(expr: sp.Expr, pivots: dict[str, tuple[int, ...]], atoms: Atoms) -> sp.Expr:
    new = {}
    for symbol in expr.free_symbols:
        atom = atoms.atom(symbol)
        if isinstance(atom, Elem) and atom.role == "param":
            kept = tuple(atom.idx[i] for i in pivots[atom.name])
            new[symbol] = atoms.symbol(Pivot(atom.name, kept))
        elif isinstance(atom, SumOf):
            new[symbol] = atoms.sum(atom.axes, _at_pivot(atom.body, pivots, atoms))
    return expr.xreplace(new)


def _params_only(expr: sp.Expr, atoms: Atoms) -> sp.Expr:
    terms = [t for t in sp.Add.make_args(sp.expand(expr)) if atoms.has_param(t)]
    return atoms.map_inside(sp.Add(*terms), lambda body: _params_only(body, atoms))
