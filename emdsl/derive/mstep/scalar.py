"""One entry at a time: differentiate Q's basis functions, and solve.

Most scalar M-steps are one shape. Where the derivative has two powers of the entry t,

    A t^a + B t^b = 0,  a < b   ⇒   t = (-A / B)^(1 / (b - a))

a maximum on t > 0 where A > 0 > B. That is variance, standard deviation, precision, rate, scale and
most shapes that close at once, the log being the power -1 of the derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce

import sympy as sp

from emdsl.derive.atoms import Ind
from emdsl.derive.live import params_in
from emdsl.derive.mstep.block import (
    BestOf,
    Block,
    Collapse,
    Entries,
    Form,
    Piece,
    Update,
    can_vanish,
    coefficient,
    named,
    quotient,
    without_common_factor,
)
from emdsl.derive.mstep.occurrences import by_basis, singles


def solve(block: Block) -> Update | None:
    """The update of a parameter whose entries stand alone, by the shape of Q in one entry."""
    if block.param.type.kind not in ("real", "positive", "unit"):
        return None
    pieces = singles(block)
    if pieces is None:
        return None
    rules = block.restricted
    if rules is not None and rules.linear:
        return None
    pieces, common = without_common_factor(pieces, block.alone, block.atoms)
    groups = by_basis(pieces)
    if any(_foreign(basis, block) for basis in groups):
        return None
    found = _by_shape(groups, block)
    if found is None:
        return None
    form, collapse, record = found
    values = form.roots if isinstance(form, BestOf) else (form.value,)  # type: ignore[union-attr] # Entries
    needs = frozenset().union(*(params_in(v, block.atoms) for v in values)) - {block.param.name}
    if rules is not None:
        under = _restricted(form, record, groups, block)
        if under is None:
            return None
        form, record = under
    t = block.entry
    lines = [f"Q in one entry t = {t}:  " + objective_text(groups, block)]
    if common != 1:
        lines.append(f"the positive factor {common} is common to all terms and cancels")
    return Update(block.param.name, "scalar", block.cell, form, needs, (*lines, *record), collapse)


def _by_shape(groups: dict[sp.Expr, list[Piece]], block: Block) -> Found | None:
    for shape in (_two_powers, _two_exponentials, _two_logs, _two_waves, _algebraic):
        found = shape(groups, block)
        if found is not None:
            bounded = block.restricted is not None and block.restricted.bounded
            # a bound is where Q is highest only if Q has a single peak
            return None if bounded and shape in (_two_waves, _algebraic) else found
    return None


def _restricted(
    form: Form, record: tuple[str, ...], groups: dict[sp.Expr, list[Piece]], block: Block
) -> tuple[Form, tuple[str, ...]] | None:
    """The form under constraints: tied entries have one Q, the sum of theirs.

    sum_i (A_i f(t) + B_i g(t)) = (sum_i A_i) f(t) + (sum_i B_i) g(t)
    """
    rules = block.restricted
    assert rules is not None
    if rules.tied:
        sums = [
            (f"A{i}", coefficient(pieces, block.cell, block.atoms), block.cell)
            for i, pieces in enumerate(groups.values())
        ]
        pooled, symbols = named(sums, block)
        axes = frozenset(block.cell)
        one = groups[next(iter(groups))][0]
        over = {
            basis: [Piece(symbol, sp.Integer(1), basis, axes, one.span, one.node)]
            for basis, symbol in zip(groups, symbols, strict=True)
        }
        found = _by_shape(over, block)
        if found is None:
            return None
        assert isinstance(found[0], Entries | BestOf)
        form = replace(found[0], pooled=pooled)
        record = (
            "tied entries have one Q, the sum of theirs: their coefficients are added up first",
            *(f"{symbol} = {expr}, summed over what is tied" for symbol, expr in pooled),
            *found[2],
        )
    if rules.fixed:
        record = (*record, "fixed entries stay")
    if rules.bounded:
        assert isinstance(form, Entries)
        form = replace(form, bounded=True)
        why = (
            "bounds: Q rises to its one stationary point and falls after it, so beyond a bound the"
        )
        record = (*record, f"{why} maximum is at the bound")
    return form, record


def _foreign(basis: sp.Expr, block: Block) -> bool:
    """Whether a basis function has other symbols than the entry."""
    return bool(basis.free_symbols - {block.entry})


def objective_text(groups: dict[sp.Expr, list[Piece]], block: Block) -> str:
    """Q in one entry, as coefficient times basis."""
    return " + ".join(
        f"({coefficient(pieces, block.cell, block.atoms)}) {basis}"
        for basis, pieces in groups.items()
    )


Found = tuple[Form, Collapse, tuple[str, ...]]


def _two_powers(groups: dict[sp.Expr, list[Piece]], block: Block) -> Found | None:
    """See the module's text; a real (signed) entry needs b - a = 1 to have one root."""
    t, atoms = block.entry, block.atoms
    powers: dict[sp.Expr, sp.Expr] = {}
    for basis, pieces in groups.items():
        slope = sp.expand(sp.diff(basis, t))
        factor, power = _as_power(slope, t)
        if power is None:
            return None
        powers[power] = powers.get(power, sp.Integer(0)) + factor * coefficient(
            pieces, block.cell, atoms
        )
    if len(powers) != 2:
        return None
    (a, first), (b, second) = sorted(powers.items(), key=lambda item: item[0])
    signed = block.param.type.kind == "real"
    if signed and (b - a != 1 or a < 0):
        return None
    if first.is_nonpositive and not signed and second.is_nonnegative:
        return None  # a minimum, or no stationary point
    root = quotient(-first, second) ** (1 / (b - a))
    collapse: Collapse = None
    if block.param.type.kind == "positive":
        if b <= -1 and can_vanish(first, atoms):
            collapse = ("zero", float(b - a))
        elif a >= -1 and can_vanish(second, atoms):
            collapse = ("infinity", float(b - a))
    decided = first.is_nonnegative and second.is_nonpositive
    record = (
        f"dQ/dt = A t^({a}) + B t^({b}) with A = {first}, B = {second}",
        f"so t = (-A / B)^(1/({b - a})) = {root}",
        "a maximum: A >= 0 >= B, so dQ/dt falls through zero"
        if decided
        else "a maximum where A > 0 > B; a root outside the support is not taken",
    )
    return Entries(root), collapse, record


def _two_exponentials(groups: dict[sp.Expr, list[Piece]], block: Block) -> Found | None:
    """A e^(at) + B e^(bt) = 0, a < b  ⇒  t = log(-A / B) / (b - a): the powers of e^t."""
    t, atoms = block.entry, block.atoms
    rates: dict[sp.Expr, sp.Expr] = {}
    for basis, pieces in groups.items():
        factor, rest = sp.diff(basis, t).as_independent(t, as_Add=False)
        exponent = sp.log(rest).expand(force=True) if rest != 1 else sp.Integer(0)
        rate = sp.cancel(exponent / t)
        if not rate.is_Rational:
            return None
        rates[rate] = rates.get(rate, sp.Integer(0)) + factor * coefficient(
            pieces, block.cell, atoms
        )
    if len(rates) != 2 or block.param.type.kind != "real":
        return None
    (a, first), (b, second) = sorted(rates.items(), key=lambda item: item[0])
    if first.is_nonpositive and second.is_nonnegative:
        return None
    root = sp.log(quotient(-first, second)) / (b - a)
    record = (
        f"dQ/dt = A e^({a} t) + B e^({b} t) with A = {first}, B = {second}",
        f"so t = log(-A / B) / ({b - a}) = {root}",
        "a maximum where A > 0 > B, as dQ/dt falls through zero",
    )
    return Entries(root), None, record


def _as_power(slope: sp.Expr, t: sp.Symbol) -> tuple[sp.Expr, sp.Expr | None]:
    """slope = factor * t^power, or power None."""
    factor, rest = slope.as_independent(t, as_Add=False)
    base, power = rest.as_base_exp()
    if rest == 1:
        return factor, sp.Integer(0)
    return (factor, power) if base == t and power.is_Rational else (factor, None)


def _two_logs(groups: dict[sp.Expr, list[Piece]], block: Block) -> Found | None:
    """A log t + B log(1 - t)  ⇒  t = A / (A + B)."""
    t, atoms = block.entry, block.atoms
    if set(groups) != {sp.log(t), sp.log(1 - t)}:
        return None
    a = coefficient(groups[sp.log(t)], block.cell, atoms)
    b = coefficient(groups[sp.log(1 - t)], block.cell, atoms)
    root = a / sp.expand(a + b)
    record = (
        f"dQ/dt = A / t - B / (1 - t) with A = {a}, B = {b}",
        f"so t = A / (A + B) = {root}, a maximum: Q is concave where A, B >= 0",
    )
    return Entries(root), None, record


def _two_waves(groups: dict[sp.Expr, list[Piece]], block: Block) -> Found | None:
    """A cos t + B sin t  ⇒  t = atan2(B, A)."""
    t, atoms = block.entry, block.atoms
    if not groups or not set(groups) <= {sp.cos(t), sp.sin(t)}:
        return None
    a = coefficient(groups.get(sp.cos(t), []), block.cell, atoms)
    b = coefficient(groups.get(sp.sin(t), []), block.cell, atoms)
    record = (
        f"A cos t + B sin t = R cos(t - atan2(B, A)) with A = {a}, B = {b}",
        "so t = atan2(B, A), a maximum",
    )
    return Entries(sp.atan2(b, a)), None, record


_KNOWN = (sp.log, sp.exp)


def _roots(top: sp.Expr, t: sp.Symbol, zero: Callable[[sp.Expr], bool]) -> list[sp.Expr] | None:
    """The roots of a polynomial of degree one or two in some power of t; None where it is none.

    Where the square's coefficient may be `zero` in some entries, the roots are written in two
    ways, (-b +- s) / 2a and 2c / (-b -+ s): one of them isn't 0 / 0.
    """
    powers: list[sp.Expr] = []
    for term in sp.Add.make_args(sp.expand(top)):
        _, power = _as_power(term, t)
        if power is None:
            return None
        powers.append(power)
    lowest = min(powers)
    steps = [p - lowest for p in powers if p != lowest]
    if not steps:
        return None
    step = reduce(sp.gcd, steps) if t.is_positive else sp.Integer(1)
    u = sp.Symbol("u", positive=t.is_positive, real=True)
    reduced = sp.expand(sp.expand(top / t**lowest).subs(t, u ** (1 / step)))
    if not reduced.is_polynomial(u) or not 1 <= sp.Poly(reduced, u).degree() <= 2:
        return None
    found = sp.solve(reduced, u)
    first, *others = sp.Poly(reduced, u).all_coeffs()
    if len(others) == 2 and zero(first):
        b, c = others
        s = sp.sqrt(b**2 - 4 * first * c)
        found += [2 * c / (-b - s), 2 * c / (-b + s)]
    return [r ** (1 / step) for r in found if sp.simplify(reduced.subs(u, r)) == 0]


def _algebraic(groups: dict[sp.Expr, list[Piece]], block: Block) -> Found | None:
    """Anything else whose derivative is a polynomial of low degree in some power: `solve`."""
    t, atoms = block.entry, block.atoms
    if any(b.atoms(sp.Function) - b.atoms(*_KNOWN) for b in groups) or len(groups) > 4:
        return None
    names = {sp.Symbol(f"A{i}", real=True): b for i, b in enumerate(groups)}
    objective = sp.Add(*(a * b for a, b in names.items()))
    values = {a: coefficient(groups[b], block.cell, atoms) for a, b in names.items()}

    def zero(expr: sp.Expr) -> bool:
        return any(isinstance(a, Ind) for a in atoms.deep(expr.xreplace(values)))

    slope = sp.together(sp.diff(objective, t))
    top = sp.expand(sp.fraction(slope)[0])
    roots = _roots(top, t, zero)
    if roots is None and block.param.type.kind == "real":
        u = sp.Symbol("u", positive=True)  # a function of e^t: solve for that
        powers = _roots(sp.expand(sp.powsimp(top).subs(t, sp.log(u))), u, zero)
        roots = [sp.log(r) for r in powers] if powers is not None else None
    if not roots:
        return None
    real = [r for r in roots if not r.xreplace(values).has(sp.I)]  # whatever the statistics
    if not real:
        return None
    record = (
        f"dQ/dt = 0 is {top} = 0 with " + ", ".join(f"{a} = {v}" for a, v in values.items()),
        "roots " + "; ".join(str(r) for r in real),
        "the root in the support with the highest Q is taken at run time",
    )
    if len(real) == 1:
        return Entries(real[0].xreplace(values)), None, record
    return (
        BestOf(tuple(r.xreplace(values) for r in real), objective.xreplace(values)),
        None,
        record,
    )
