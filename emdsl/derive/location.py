"""Location arguments, found by symmetry: shift variate and argument alike and nothing changes.

    log p(x + c | m + c) = log p(x | m) for every c

Such a node is written about a pivot, a fixed value of its location's parameters: the data become
x - location(pivot), the parameters theta - pivot, and sums of squares lose no digits at any offset.
The same holds of log x where the density is that of a logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import sympy as sp

from emdsl.derive.atoms import Atoms, Centered, Elem, Ix, Pivot, SumOf
from emdsl.derive.scalarize import Scalarizer
from emdsl.families.family import Family
from emdsl.model.graph import Expr

CARRIER = sp.Symbol("carrier", real=True)  # the variate (or its log) where the location meets it


@dataclass(frozen=True)
class Location:
    """A density's location argument, and its log density with `CARRIER` where they meet."""

    argument: str
    through: Literal["", "log"]
    tree: sp.Expr


@cache
def location_of(family: Family, names: tuple[str, ...]) -> Location | None:
    """The argument that is a location of the variate or of its log, if there is one."""
    tree = family.log_density_in(names)
    x, c = family.variable, sp.Symbol("c", real=True)
    carriers: dict[str, tuple[Literal["", "log"], sp.Expr]] = {
        "real": ("", x),
        "positive": ("log", sp.log(x)),
    }
    if family.kind not in carriers:
        return None
    through, carrier = carriers[family.kind]
    for name in names:
        m = family.symbol(name)
        if m not in tree.free_symbols or not m.is_real or m.is_positive:
            continue
        terms = sp.Add.make_args(tree)
        meeting = sp.Add(*(t for t in terms if m in t.free_symbols)).xreplace({carrier: CARRIER})
        if x in meeting.free_symbols or CARRIER not in meeting.free_symbols:
            continue
        shifted = meeting.xreplace({CARRIER: CARRIER + c, m: m + c})
        if sp.expand(shifted - meeting) == 0:
            rest = sp.Add(*(t for t in terms if m not in t.free_symbols))
            return Location(name, through, rest + meeting)
    return None


def linear_params(arg: Expr, place: tuple[Ix, ...], s: Scalarizer) -> tuple[Elem, ...] | None:
    """The entries of real parameters a location is linear in; None where it is anything else."""
    parts = s.scalar(arg, place)
    if len(parts) != 1 or parts[0][0] != sp.true:
        return None
    found = _linear(parts[0][1], s.atoms, frozenset(s.latent_axes.values()))
    return found or None


def _linear(expr: sp.Expr, atoms: Atoms, latents: frozenset[str]) -> tuple[Elem, ...] | None:
    """The entries; None also where one is multiplied by what depends on a latent's value."""
    found: list[Elem] = []
    for term in sp.Add.make_args(sp.expand(expr)):
        if not atoms.has_param(term):
            if atoms.axes_of(term) & latents:
                return None
            continue
        with_param = [f for f in sp.Mul.make_args(term) if atoms.has_param(f)]
        if len(with_param) != 1 or not isinstance(with_param[0], sp.Symbol):
            return None
        if atoms.axes_of(term / with_param[0]) & latents:
            return None
        atom = atoms.atom(with_param[0])
        if isinstance(atom, SumOf):
            inside = _linear(atom.body, atoms, latents)
            if inside is None:
                return None
            found.extend(inside)
        elif isinstance(atom, Elem) and atom.kind == "real":
            found.append(atom)
        else:
            return None
    return tuple(found)


def centered(
    of: Elem,
    through: Literal["", "log"],
    location: sp.Expr,
    pivots: dict[str, tuple[int, ...]],
    atoms: Atoms,
) -> tuple[sp.Expr, sp.Expr]:
    """The centred variate, and the location in parameters about the pivot, offsets dropped."""
    return (
        atoms.symbol(Centered(of, _at_pivot(location, pivots, atoms), through)),
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
