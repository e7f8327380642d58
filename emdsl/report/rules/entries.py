"""One entry at a time: Q as a function of it, the derivative, the root, and why it is a maximum."""

from __future__ import annotations

import sympy as sp

from emdsl.derive.mstep.block import (
    BestOf,
    Entries,
    Piece,
    coefficient,
    without_common_factor,
)
from emdsl.derive.mstep.occurrences import by_basis, singles
from emdsl.report.rules.context import Context
from emdsl.report.rules.share import write_by_matrix
from emdsl.report.style import Math
from emdsl.report.tidy import fraction, mostly_negative


def write(c: Context, form: Entries | BestOf) -> bool:
    """Whether the pieces of Q stand alone in each entry, so that this could be written."""
    block = c.block()
    pieces = singles(block)
    if pieces is None:
        return isinstance(form, Entries) and write_by_matrix(c, form)
    pieces, common = without_common_factor(pieces, block.alone, c.atoms)
    groups = by_basis(pieces)
    if any(basis.free_symbols - {block.entry} for basis in groups):
        return False
    _Entry(c, groups, block.entry, common).write(form)
    return True


class _Entry:
    """Q in one entry, each coefficient under a letter with the sign that makes it positive."""

    def __init__(
        self, c: Context, groups: dict[sp.Expr, list[Piece]], entry: sp.Symbol, common: sp.Expr
    ) -> None:
        self.c = c
        self.common = common
        signed = c.param.type.kind == "real"
        kind = {"real": True} if signed else {"positive": True}
        self.t = sp.Dummy("t", **kind)
        self.spelled = self._spelled()
        c.printer.marks[self.t] = self.spelled
        self.values: dict[sp.Dummy, sp.Expr] = {}
        self.objective: sp.Expr = sp.Integer(0)
        found = [(b, c.tidy(coefficient(q, c.update.cell, c.atoms))) for b, q in groups.items()]
        found.sort(key=lambda f: mostly_negative(f[1]))
        for letter, (basis, value) in zip(c.letters(), found, strict=False):
            negative = mostly_negative(value)
            decided = not signed or value.is_nonnegative or value.is_nonpositive
            name = sp.Dummy(letter, **({"positive": True} if decided else {"real": True}))
            self.values[name] = sp.expand(-value) if negative else value
            self.objective += (-name if negative else name) * basis.subs(entry, self.t)

    def _spelled(self) -> str:
        """A parameter without indices under its own name, an entry under a letter."""
        if not self.c.update.cell:
            return self.c.name()
        return next(x for x in ("t", "u", "v", "s", "t1") if x not in self.c.taken())

    def write(self, form: Entries | BestOf) -> None:
        c, page = self.c, self.c.page
        t = Math(self.spelled)
        entry = c.entry()
        if c.update.cell:
            head = ("Q in one entry, ", t, " = ", entry)
            page.say(*head, ", without the terms that are free of it:")
        else:
            page.say("Q in ", t, ", without the terms that are free of it:")
        page.formula(f"Q({t})", self._show(self.objective))
        for name, value in self.values.items():
            page.formula(name.name, c.show(value))
        if self.common != 1:
            page.say(
                "The positive factor ", c.printer.show(self.common),
                " is common to all its terms and doesn't move the maximum; it is left out.",
            )  # fmt: skip
        slope = sp.expand(sp.diff(self.objective, self.t))
        page.say("The derivative vanishes at the maximum:")
        derivative = f"dQ/d{t}" if c.printer.inline else f"\\frac{{dQ}}{{d{t}}}"
        page.formula(derivative, self._show(slope) + " = 0")
        root, why = self._root(slope)
        if isinstance(form, BestOf):
            page.formula(t, f" {c.printer.style.word('or')} ".join(
                c.show(r) for r in form.roots))  # fmt: skip
            page.say("The root in the support with the highest Q is taken when fitting.")
            return
        final = c.show(form.value)
        if root is not None:
            page.formula(t, self._show(fraction(root)))
        page.say("so that")
        page.formula(entry, final)
        page.say(why)

    def _show(self, expr: sp.Expr) -> Math:
        return self.c.printer.show(expr)

    def _root(self, slope: sp.Expr) -> tuple[sp.Expr | None, str]:
        t = self.t
        if self.objective.has(sp.log(1 - t)):
            a = self.objective.coeff(sp.log(t))
            b = self.objective.coeff(sp.log(1 - t))
            sure = all(v.is_nonnegative for v in self.values.values())
            why = "It is the maximum: Q is concave"
            return a / (a + b), why + (", as" if sure else " where") + " no count is negative."
        if self.objective.has(sp.cos, sp.sin):
            a, b = self.objective.coeff(sp.cos(t)), self.objective.coeff(sp.sin(t))
            return sp.atan2(b, a), "It is the maximum of the one wave that the two add up to."
        powers = _powers(slope, t)
        rates = _rates(slope, t)
        if rates is not None and len(rates) == 2:
            (low, first), (high, second) = sorted(rates.items())
            root = sp.log(-first / second) / (high - low)
            return root, self._why(first, second, sp.Integer(-1), sp.Integer(-1))
        if powers is None or len(powers) != 2:
            return None, "It is a maximum where the second derivative of Q is negative there."
        (low, first), (high, second) = sorted(powers.items())
        root = (-first / second) ** (1 / (high - low))
        return root, self._why(first, second, low, high)

    def _why(self, first: sp.Expr, second: sp.Expr, low: sp.Expr, high: sp.Expr) -> str:
        if low == 0 and high == 1 and second.is_negative:
            return "It is the maximum: Q is a parabola that opens downwards."
        if first.is_positive and second.is_negative:
            free = (first * second).free_symbols
            names = " and ".join(sorted(x.name for x in free))
            sure = all(self.values[x].is_nonnegative for x in free)
            are = "are" if len(free) > 1 else "is"
            return (
                f"It is the maximum{', as' if sure else ' where'} {names} {are} positive: the"
                " derivative is positive below it and negative above it."
            )
        return "It is the maximum where the derivative is positive below it and negative above it."


def _rates(slope: sp.Expr, t: sp.Symbol) -> dict[sp.Expr, sp.Expr] | None:
    """The slope as exponentials of t, by their rates."""
    rates: dict[sp.Expr, sp.Expr] = {}
    if not slope.has(sp.exp):
        return None
    for term in sp.Add.make_args(slope):
        factor, rest = term.as_independent(t, as_Add=False)
        rate = sp.log(rest).expand(force=True) / t if rest != 1 else sp.Integer(0)
        if not rate.is_Rational:
            return None
        rates[rate] = rates.get(rate, sp.Integer(0)) + factor
    return rates


def _powers(slope: sp.Expr, t: sp.Symbol) -> dict[sp.Expr, sp.Expr] | None:
    """The slope as powers of t."""
    powers: dict[sp.Expr, sp.Expr] = {}
    for term in sp.Add.make_args(slope):
        factor, rest = term.as_independent(t, as_Add=False)
        base, power = rest.as_base_exp() if rest != 1 else (t, sp.Integer(0))
        if base != t or not power.is_Rational:
            return None
        powers[power] = powers.get(power, sp.Integer(0)) + factor
    return powers
