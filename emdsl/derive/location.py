"""Location arguments, found by symmetry: shift variate and argument alike and nothing changes.

    log p(x + c | m + c) = log p(x | m) for every c

Such a node is written about a pivot, a fixed value of its location's parameters: the data become
x - location(pivot), the parameters theta - pivot, and sums of squares lose no digits at any offset.
The same holds of log x where the density is that of a logarithm. Latents that bear the location are
written about pivots as well (see `shifts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import sympy as sp

from emdsl.derive.atoms import Centered, Elem, Ix, Pivot, SumOf
from emdsl.derive.scalarize import Scalarizer
from emdsl.derive.table import Atoms
from emdsl.families.cumulative import Inside
from emdsl.families.family import Family
from emdsl.model.graph import Expr

CARRIER = sp.Symbol("carrier", real=True)  # the variate (or its log) where the location meets it


@dataclass(frozen=True)
class Location:
    """A density's location argument, and its log density with `CARRIER` where they meet.

    `ends` are limits that meet it too: a symbol of its own for each, and the limit's.
    """

    argument: str
    through: Literal["", "log"]
    tree: sp.Expr
    ends: tuple[tuple[sp.Symbol, sp.Symbol], ...] = ()


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


@dataclass(frozen=True)
class Linear:
    """A location as a sum of terms.

    `moved` holds the entries it is linear in, which a pivot can take out; what is nonlinear, or
    multiplied by a latent's value, stays where it is.
    """

    whole: sp.Expr
    moved: tuple[Elem, ...]


def linear_part(
    arg: Expr, place: tuple[Ix, ...], s: Scalarizer, *, offsets: bool = False
) -> Linear | None:
    """The location with its linear parameters; None where there is none, or a choice.

    offsets : a location of which a summand is known will do: it comes off the variate too.
    """
    parts = s.scalar(arg, place)
    if len(parts) != 1 or parts[0][0] != sp.true:
        return None
    whole = parts[0][1]
    moved, spoiled = _sort(whole, s.atoms, frozenset(s.atoms.latent_axes()))
    kept = tuple(e for e in moved if e.name not in spoiled)
    about = any(isinstance(a, Pivot) for a in s.atoms.deep(whole))  # of a shifted latent
    about = about or (offsets and any(_is_known(t, s.atoms) for t in sp.Add.make_args(whole)))
    return Linear(whole, kept) if kept or about else None


def _is_known(term: sp.Expr, atoms: Atoms) -> bool:
    """Whether a term of a location is of data, inputs and numbers alone; zero is no term."""
    uncertain = atoms.has_param(term) or atoms.has_latent(term)
    return bool(term != 0 and not uncertain and not atoms.axes_of(term) & set(atoms.latent_axes()))


def _sort(
    expr: sp.Expr, atoms: Atoms, latents: frozenset[str]
) -> tuple[tuple[Elem, ...], frozenset[str]]:
    """Entries in plain linear terms, and the names of parameters that stand anywhere else."""
    moved: list[Elem] = []
    spoiled: set[str] = set()
    for term in sp.Add.make_args(sp.expand(expr)):
        entry = _plain(term, atoms, latents)
        if isinstance(entry, Elem):
            moved.append(entry)
        elif isinstance(entry, SumOf):
            inside, bad = _sort(entry.body, atoms, latents)
            moved.extend(inside)
            spoiled |= bad
        else:
            spoiled |= {
                a.name for a in atoms.deep(term) if isinstance(a, Elem) and atoms.is_param(a)
            }
    return tuple(moved), frozenset(spoiled)


def _plain(term: sp.Expr, atoms: Atoms, latents: frozenset[str]) -> Elem | SumOf | None:
    """A term's one real entry (or sum with one), where its factor knows no latent."""
    with_param = [f for f in sp.Mul.make_args(term) if atoms.has_param(f)]
    if len(with_param) != 1 or not isinstance(with_param[0], sp.Symbol):
        return None
    factor = term / with_param[0]
    if atoms.axes_of(factor) & latents or atoms.has_latent(factor):
        return None
    atom = atoms.atom(with_param[0])
    if isinstance(atom, SumOf) or (isinstance(atom, Elem) and atom.kind == "real"):
        return atom
    return None


def centered(
    of: Elem,
    through: Literal["", "log"],
    location: Linear,
    s: Scalarizer,
) -> tuple[sp.Expr, sp.Expr]:
    """The variate less the location at the pivot, and the location about the pivot.

    x - (m + a u + o)  ⇒  (x - m0 - o) - (m' + a u)   with o an offset of data, u a latent's value
    """
    names = frozenset(e.name for e in location.moved)
    offset, rest = _divide(location.whole, names, s)
    return s.atoms.symbol(Centered(of, offset, through)), rest


def centered_end(
    end: sp.Expr,
    through: Literal["", "log"],
    location: Linear,
    s: Scalarizer,
) -> sp.Expr:
    """A limit less the location at the pivot, as `centered` does it to the variate."""
    names = frozenset(e.name for e in location.moved)
    offset, _ = _divide(location.whole, names, s)
    return Inside((sp.log(end) if through else end) - offset, -sp.oo, sp.Integer(0))


def _divide(expr: sp.Expr, names: frozenset[str], s: Scalarizer) -> tuple[sp.Expr, sp.Expr]:
    """What is taken off the variate, and what is left of the location."""
    atoms, latents = s.atoms, frozenset(s.atoms.latent_axes())
    offset: sp.Expr = sp.Integer(0)
    rest: sp.Expr = sp.Integer(0)
    for term in sp.Add.make_args(sp.expand(expr)):
        entry = _plain(term, atoms, latents)
        if _is_known(term, atoms):
            offset += term
        elif isinstance(entry, Elem) and entry.name in names:
            symbol = atoms.symbol(entry)
            offset += term.xreplace({symbol: s.pivot_of(entry)})
            rest += term
        elif isinstance(entry, SumOf) or (entry := _sum_about(term, atoms, latents)) is not None:
            factor = term / atoms.symbol(entry)
            off, left = _divide(entry.body, names, s)
            offset += factor * atoms.sum(entry.axes, off)
            rest += factor * atoms.sum(entry.axes, left)
        else:
            rest += _with_pivots(term, s)
    return offset, rest


def _sum_about(term: sp.Expr, atoms: Atoms, latents: frozenset[str]) -> SumOf | None:
    """A term's one sum with shifted latents, where its factor is known."""
    for symbol in sp.Mul.make_args(term):
        atom = atoms.atom(symbol) if isinstance(symbol, sp.Symbol) else None
        if isinstance(atom, SumOf) and any(isinstance(a, Pivot) for a in atoms.deep(symbol)):
            factor = term / symbol
            uncertain = atoms.has_param(factor) or atoms.has_latent(factor)
            return None if uncertain or atoms.axes_of(factor) & latents else atom
    return None


def _with_pivots(expr: sp.Expr, s: Scalarizer) -> sp.Expr:
    """Parameters that another node pivots, as pivot plus distance where they stand here."""
    new = {}
    for symbol in expr.free_symbols:
        atom = s.atoms.atom(symbol)
        if isinstance(atom, Elem) and s.atoms.is_param(atom) and atom.name in s.pivots:
            new[symbol] = symbol + s.pivot_of(atom)
        elif isinstance(atom, SumOf):
            new[symbol] = s.atoms.sum(atom.axes, _with_pivots(atom.body, s))
    return expr.xreplace(new)
