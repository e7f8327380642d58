"""How far an expression's values reach, by interval arithmetic, and where that is too far.

An argument that has to be positive, or between 0 and 1, may be an expression that isn't for some
values of the parameters: the identity link's `a + b * u[n]`, the inverse link's. The density is
zero there, which a formula doesn't say: it goes on, with logs of negative numbers. So the log joint
has a term that is minus infinity there, `log [a + b u_n > 0]`, and no step of an M-step goes there.

What is known of the sign of each symbol decides most expressions (Moore, Kearfott and Cloud,
Introduction to Interval Analysis, 2009, chapter 5). One linear in each symbol has its extremes at
corners of the symbols' intervals.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from itertools import product

import sympy as sp

from emdsl.derive.atoms import Elem, Ind, LogInd, Seen, SumOf
from emdsl.derive.scalarize import Guarded, combine
from emdsl.derive.smooth import smooth
from emdsl.derive.table import Atoms
from emdsl.derive.words import words
from emdsl.families.family import Parameter
from emdsl.model.graph import Apply, Expr, Number, Ref
from emdsl.model.kinds import Kind

Reach = tuple[float, float]  # both ends count as reached, and may be infinite

_ANY: Reach = (-math.inf, math.inf)
_SOME: Reach = (0.0, math.inf)
_SHARE: Reach = (0.0, 1.0)
_WITHIN: dict[Kind, Reach] = {"positive": _SOME, "unit": _SHARE}
_CORNERS = 6  # symbols of which the corners are tried


def may_leave(parameter: Parameter, arg: Expr) -> bool:
    """Whether an argument as it is written may have values that its parameter can't have."""
    certain = ("exp", "logistic") if parameter.kind == "positive" else ("logistic",)
    plain = isinstance(arg, Number | Ref) or (isinstance(arg, Apply) and arg.op in certain)
    return parameter.event == 0 and parameter.kind in _WITHIN and not plain


def guarded(kind: Kind, argument: Guarded, density: Guarded, atoms: Atoms) -> Guarded:
    """A log density with minus infinity where parameters take an argument out of its kind."""
    tested = tuple((c, _inside(kind, value, atoms)) for c, value in argument)
    if all(inside == sp.true for _, inside in tested):
        return density
    marks = tuple(
        (c, sp.Integer(0) if inside == sp.true else atoms.symbol(LogInd(inside)))
        for c, inside in tested
    )
    return combine([density, marks], lambda d, mark: d + mark)


def _inside(kind: Kind, value: sp.Expr, atoms: Atoms) -> sp.Basic:
    """The condition under which an argument has values of its kind; true where nothing can fail.

    Only what parameters make wrong is tested for. Factors that are positive whatever they are don't
    move where the sign changes.
    """
    low, high = reach(value, atoms)
    bottom, top = _WITHIN[kind]
    conditions = []
    if low < bottom:
        factors = sp.Mul.make_args(sp.factor_terms(value))
        uncertain = [f for f in factors if reach(f, atoms)[0] < 0.0]
        whole = sp.Mul(*(_of_the_same_sign(f) for f in uncertain))
        if _is_tested(whole, atoms):
            conditions.append(sp.Gt(whole, sp.Integer(0)))
    if high > top and _is_tested(value, atoms):
        conditions.append(sp.Lt(value, 1))
    return sp.And(*conditions)


def _of_the_same_sign(factor: sp.Expr) -> sp.Expr:
    """1 / x and x^3 are positive where x is."""
    base, power = factor.as_base_exp()
    return base if power.is_odd else factor


def _is_tested(value: sp.Expr, atoms: Atoms) -> bool:
    """Whether parameters are in it, and no latent that is integrated out."""
    roles = {a.role for a in atoms.deep(value) if isinstance(a, Elem)}
    return "param" in roles and "latent" not in roles


def walls(exprs: Iterable[sp.Expr], atoms: Atoms) -> tuple[str, ...]:
    """The conditions on parameters beyond which these expressions are minus infinity, in words."""
    found = set()
    for expr in exprs:
        for atom in atoms.deep(expr):
            if isinstance(atom, LogInd):
                tests = atom.condition.atoms(sp.core.relational.Relational)
                found |= {words(test, atoms) for test in tests if atoms.has_param(test)}
    found = {re.sub(r"~\d+", "", text) for text in found}  # axes by their letters
    return tuple(sorted(found))


def reach(expr: sp.Expr, atoms: Atoms) -> Reach:
    """An interval that holds every value of the expression; not the smallest, where it is hard."""
    found = _reach(expr, atoms)
    if found[0] >= 0.0 and found[1] <= 1.0:
        return found
    cornered = _at_corners(expr, atoms)
    if cornered is None:
        return found
    return max(found[0], cornered[0]), min(found[1], cornered[1])


def _reach(expr: sp.Expr, atoms: Atoms) -> Reach:
    match expr:
        case sp.Symbol():
            return _of_symbol(expr, atoms)
        case sp.Add():
            parts = [_reach(a, atoms) for a in expr.args]
            return sum(p[0] for p in parts), sum(p[1] for p in parts)
        case sp.Mul():
            if _is_softmax(expr, atoms):
                return _SHARE
            out: Reach = (1.0, 1.0)
            for factor in expr.args:
                out = _times(out, _reach(factor, atoms))
            return out
        case sp.Pow(exp=power):
            return _power(_reach(expr.base, atoms), power, expr)
        case sp.exp():
            return _monotone(_exp, _reach(expr.args[0], atoms))
        case sp.Abs():
            low, high = _reach(expr.args[0], atoms)
            return (0.0 if low < 0.0 < high else min(abs(low), abs(high))), max(-low, high)
        case sp.tanh() | sp.sin() | sp.cos():
            return -1.0, 1.0
        case _ if expr.is_number and expr.is_real:
            return float(expr), float(expr)
        case _:
            return _by_assumption(expr)


def _of_symbol(symbol: sp.Symbol, atoms: Atoms) -> Reach:
    match atoms.atom(symbol):
        case Elem(kind="unit" | "simplex" | "bool") | Seen() | Ind():
            return _SHARE
        case SumOf(body=body):
            low, high = _reach(body, atoms)
            return (0.0 if low >= 0.0 else -math.inf), (0.0 if high <= 0.0 else math.inf)
        case _:
            return _by_assumption(symbol)


def _by_assumption(expr: sp.Expr) -> Reach:
    if expr.is_nonnegative:
        return _SOME
    return (-math.inf, 0.0) if expr.is_nonpositive else _ANY


def _is_softmax(expr: sp.Mul, atoms: Atoms) -> bool:
    """Whether it is e^x[c] / sum_k e^x[k]: `smooth` writes it as one exponential of a log sum."""
    return len(expr.args) == 2 and any(
        isinstance(s, sp.Symbol) and isinstance(a := atoms.atom(s), SumOf)
        and isinstance(smooth(a.body, atoms), sp.exp)
        for s in expr.free_symbols
    ) and any(isinstance(f, sp.exp) for f in expr.args)  # fmt: skip


def _times(a: Reach, b: Reach) -> Reach:
    ends = [0.0 if 0.0 in (x, y) else x * y for x in a for y in b]
    return min(ends), max(ends)


def _power(base: Reach, power: sp.Expr, expr: sp.Expr) -> Reach:
    low, high = base
    if low < 0.0:
        return _by_assumption(expr)
    if not power.is_number:
        return _SHARE if high <= 1.0 and power.is_nonnegative else _SOME
    p = float(power)
    if p < 0.0:
        low, high = (1.0 / high if high else math.inf), (1.0 / low if low else math.inf)
        p = -p
    return low**p, high**p


def _exp(x: float) -> float:
    return math.exp(x) if x < 700.0 else math.inf


def _monotone(f: object, x: Reach) -> Reach:
    assert callable(f)
    return float(f(x[0])), float(f(x[1]))


def _at_corners(expr: sp.Expr, atoms: Atoms) -> Reach | None:
    """The extremes of what is linear in each of a few parts with ends; None of anything else."""
    poly = expr.as_poly()
    if poly is None or not 0 < len(poly.gens) <= _CORNERS:
        return None
    if any(power > 1 for powers in poly.monoms() for power in powers):
        return None
    ends = [_reach(part, atoms) for part in poly.gens]
    if any(math.isinf(e) for pair in ends for e in pair):
        return None
    values = [float(poly(*map(sp.Float, corner))) for corner in product(*ends)]
    return min(values), max(values)
