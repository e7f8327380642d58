"""Rearrangements that change how a formula reads and not what it says.

S[d, e]/2 + S[e, d]/2  ⇒  S[d, e]        where S is symmetric
(-a - b) / (-c)        ⇒  (a + b) / c
(a/2 + b) / (c/2)      ⇒  (a + 2 b) / c
3^(1/3) a^(1/3) b^(-1/3)  ⇒  (3 a / b)^(1/3)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import permutations

import sympy as sp

from emdsl.derive.atoms import Atom, Elem, Ind, Ix, Stat, SumOf, Value
from emdsl.derive.statistics import Derived, Term
from emdsl.derive.table import Atoms


def symmetric_statistics(derived: Derived) -> frozenset[str]:
    """Names of the statistics whose last two axes can be exchanged."""
    return frozenset(s.name for s in derived.statistics if s.feature.symmetric)


def canonical(expr: sp.Expr, atoms: Atoms, symmetric: frozenset[str]) -> sp.Expr:
    """The expression with equal atoms written equally, inside sums too."""
    new: dict[sp.Basic, sp.Expr] = {}
    for symbol in sorted(expr.free_symbols, key=str):
        atom = atoms.atom(symbol)
        changed = _canonical_atom(atom, atoms, symmetric)
        if changed != atom:
            new[symbol] = atoms.symbol(changed)
    return expr.xreplace(new) if new else expr


def _canonical_atom(atom: Atom, atoms: Atoms, symmetric: frozenset[str]) -> Atom:
    match atom:
        case Stat(name=name, idx=(*rest, i, j)) if name in symmetric and str(i) > str(j):
            return replace(atom, idx=(*rest, j, i))
        case Ind(condition=sp.Eq() as c):
            sides = sorted(c.args, key=str)
            if all(s.is_Symbol and isinstance(atoms.atom(s), Value) for s in sides):
                return Ind(sp.Eq(*sides, evaluate=False))
            return atom
        case SumOf(axes=axes, body=body):
            return SumOf(axes, canonical(body, atoms, symmetric))
        case _:
            return atom


def plain_logs(expr: sp.Expr) -> sp.Expr:
    """log(sqrt(v))  ⇒  1/2 log(v)."""
    return expr.replace(
        lambda e: isinstance(e, sp.log) and e.args[0].is_Pow and e.args[0].exp.is_Rational,
        lambda e: e.args[0].exp * sp.log(e.args[0].base),
    )


def fraction(expr: sp.Expr) -> sp.Expr:
    """A quotient with its signs and halves cancelled, its roots of one degree together."""
    for degree in (2, 3, 4):
        powered = sp.expand_power_base(expr**degree, force=True)
        fractional = [p for p in powered.atoms(sp.Pow) if p.exp.is_Rational and p.exp.q != 1]
        rooted = any(p.exp.is_Rational and p.exp.q == degree for p in expr.atoms(sp.Pow))
        if rooted and not fractional:
            return sp.Pow(_quotient(powered), sp.Rational(1, degree), evaluate=False)
    return _quotient(expr)


def _quotient(expr: sp.Expr) -> sp.Expr:
    top, bottom = _parts(expr)
    if bottom == 1 or not isinstance(bottom, sp.Add):
        return expr
    terms = [*sp.Add.make_args(sp.expand(top)), *sp.Add.make_args(bottom)]
    scale = 2 if any(t.as_coeff_Mul()[0].q == 2 for t in terms) else 1
    if mostly_negative(bottom):
        scale = -scale
    if scale == 1:
        return expr
    below = sp.Pow(sp.expand(bottom * scale), -1, evaluate=False)
    return sp.Mul(sp.expand(top * scale), below, evaluate=False)


def _parts(expr: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Top and bottom of a product, without clearing what is inside them."""
    top, bottom = [], []
    for factor in sp.Mul.make_args(expr):
        base, power = factor.as_base_exp()
        if power == -1 and isinstance(base, sp.Add):
            bottom.append(base)
        else:
            top.append(factor)
    return sp.Mul(*top), sp.Mul(*bottom)


def mostly_negative(expr: sp.Expr) -> bool:
    """Whether a coefficient reads better with its sign pulled out."""
    if expr.is_nonnegative:
        return False
    if expr.is_nonpositive:
        return True
    terms = sp.Add.make_args(sp.expand(expr))
    negative = [t for t in terms if t.could_extract_minus_sign()]
    return 2 * len(negative) > len(terms)


def gathered(
    terms: Iterable[Term], atoms: Atoms, symmetric: frozenset[str]
) -> list[tuple[tuple[str, ...], sp.Expr]]:
    """Terms of Q as sums over axes; those that differ in the names of their axes are added up."""
    groups: dict[tuple[str, ...], list[sp.Expr]] = {}
    for term in terms:
        expr = canonical(term.weight(atoms) * term.basis, atoms, symmetric)
        axes, best = least(expr, tuple(sorted(term.axes)), atoms, symmetric)
        groups.setdefault(axes, []).append(best)
    out = []
    for axes, parts in groups.items():
        total = sp.Add(*parts)
        if total != 0:
            out.append((axes, total))
    return out


def least(
    expr: sp.Expr, axes: tuple[str, ...], atoms: Atoms, symmetric: frozenset[str]
) -> tuple[tuple[str, ...], sp.Expr]:
    """Of the ways to exchange axes of one extent, the one that reads least."""
    best: tuple[str, sp.Expr] | None = None
    for order in permutations(axes) if len(axes) <= 4 else (axes,):
        pairs = list(zip(axes, order, strict=True))
        if any(not _alike(a, b, atoms) for a, b in pairs):
            continue
        names: dict[str, Ix] = {a: b for a, b in pairs if a != b}
        new = canonical(atoms.rename(expr, names), atoms, symmetric)
        if best is None or str(new) < best[0]:
            best = (str(new), new)
    assert best is not None
    return axes, best[1]


def _alike(a: str, b: str, atoms: Atoms) -> bool:
    one, two = atoms.axes[a], atoms.axes[b]
    return a == b or (one.role == two.role == "event" and one.extent == two.extent)


def matrix_factor(expr: sp.Expr, own: str, atoms: Atoms) -> str | None:
    """The name of another positive definite or orthogonal parameter in a term, if there is one."""
    for atom in sorted(atoms.deep(expr), key=atoms.text):
        match atom:
            case Elem(role="param", kind="posdef" | "orthogonal", name=name) if name != own:
                return name
            case _ if hasattr(atom, "matrix") and atom.matrix.name != own:
                return str(atom.matrix.name)
            case _:
                pass
    return None
