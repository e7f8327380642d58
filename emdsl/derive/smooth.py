"""Functions whose plain formulas overflow, as SymPy functions of their own with their derivatives.

    log(1 + e^x)       Softplus(x)       its slope Expit(x) = 1 / (1 + e^-x)
    log sum_c e^x[c]   a LogSumExp atom  its slope e^(x[c] - LogSumExp), a softmax
    |x|^p              AbsPower(x, p, 0, 0)  its slope p |x|^(p-1) sign(x), zero at zero
    log I0(x)          LogBessel(x)      its slope BesselRatio(x) = I1(x) / I0(x)

What is differentiated, and then computed row by row, is rewritten in them first.
"""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.functions.special.bessel import besseli

from emdsl.derive.atoms import LogSumExp, SumOf
from emdsl.derive.table import Atoms


class Softplus(sp.Function):  # type: ignore[misc]  # SymPy has no types
    """log(1 + e^x), without overflow."""

    nargs = 1
    is_positive = True
    is_real = True

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        return sp.log(1 + sp.exp(x)) if x.is_number else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        del argindex
        return Expit(self.args[0])


class Expit(sp.Function):  # type: ignore[misc]  # SymPy has no types
    """1 / (1 + e^-x)."""

    nargs = 1
    is_positive = True
    is_real = True

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        return 1 / (1 + sp.exp(-x)) if x.is_number else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        del argindex
        return Expit(self.args[0]) * Expit(-self.args[0])


class LogBessel(sp.Function):  # type: ignore[misc]  # SymPy has no types
    """log I0(x), the modified Bessel function of order 0, x >= 0."""

    nargs = 1
    is_nonnegative = True
    is_real = True

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        return sp.log(besseli(0, x)) if x.is_number else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        del argindex
        return BesselRatio(self.args[0])


class BesselRatio(sp.Function):  # type: ignore[misc]  # SymPy has no types
    """I1(x) / I0(x), x >= 0. Mardia and Jupp 2000, appendix 1."""

    nargs = 1
    is_nonnegative = True
    is_real = True

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        return besseli(1, x) / besseli(0, x) if x.is_number else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        del argindex
        return BesselSlope(self.args[0])


class BesselSlope(sp.Function):  # type: ignore[misc]  # SymPy has no types
    """The derivative of I1(x) / I0(x): 1 - r / x - r^2 of the ratio r."""

    nargs = 1
    is_nonnegative = True
    is_real = True


class AbsPower(sp.Function):  # type: ignore[misc]  # SymPy has no types
    """|x|^p (log |x|)^m sign(x)^s, s being 0 or 1, and 0 at x = 0 unless it is |x|^0.

    So what |x|^p and its derivatives are as x goes to zero, where they have a limit; where they
    have none (|x|^(p-1) with p < 1) a corner that points neither way.
    """

    nargs = 4
    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        x, p, m, s = self.args
        if argindex == 2:
            return AbsPower(x, p, m + 1, s)
        slope = p * AbsPower(x, p - 1, m, 1 - s)
        return slope if m == 0 else slope + m * AbsPower(x, p - 1, m - 1, 1 - s)

    def _eval_is_nonnegative(self) -> bool | None:
        return True if self.args[2] == 0 and self.args[3] == 0 else None

    def written(self) -> sp.Expr:
        """The product that it is."""
        x, p, m, s = self.args
        size = sp.Abs(x)
        return size**p * sp.log(size) ** m * sp.sign(x) ** s

    def _sympystr(self, printer: Any) -> str:
        x, p, m, s = self.args
        parts = [f"Abs({printer.doprint(x)})**({printer.doprint(p)})"]
        if m != 0:
            parts.append(f"log(Abs({printer.doprint(x)}))" + (f"**{m}" if m != 1 else ""))
        if s != 0:
            parts.append(f"sign({printer.doprint(x)})")
        return "*".join(parts)


def smooth(expr: sp.Expr, atoms: Atoms) -> sp.Expr:
    """The expression with sums of exponentials, their logs and quotients in the forms above."""
    new: dict[sp.Basic, sp.Basic] = {}
    for symbol in expr.free_symbols:
        atom = atoms.atom(symbol)
        if isinstance(atom, SumOf):
            new[symbol] = _sum(atom, atoms)
    if new:
        expr = expr.xreplace(new)
    return _joined(expr)


def _sum(atom: SumOf, atoms: Atoms) -> sp.Expr:
    body = smooth(atom.body, atoms)
    if isinstance(body, sp.exp):
        return sp.exp(atoms.symbol(LogSumExp(atom.axes, body.args[0])))
    return atoms.symbol(SumOf(atom.axes, body))


def _joined(expr: sp.Expr) -> sp.Expr:
    expr = expr.replace(_is_free_power, lambda e: sp.exp(e.exp * sp.log(e.base)))
    expr = expr.replace(_is_abs_power, lambda e: AbsPower(e.base.args[0], e.exp, 0, 0))
    expr = sp.powsimp(expr, combine="exp", deep=True)
    expr = expr.replace(_is_log, lambda e: _log(e.args[0]))
    expr = expr.replace(_is_power, _power)
    return sp.powsimp(expr, combine="exp", deep=True)


def _is_log(expr: sp.Basic) -> bool:
    return isinstance(expr, sp.log)


def _log(arg: sp.Expr) -> sp.Expr:
    arg = sp.powsimp(arg, combine="exp", deep=True)
    if isinstance(arg, besseli) and arg.args[0] == 0:
        return LogBessel(arg.args[1])
    exponent = _one_plus_exp(arg)
    if exponent is not None:
        return Softplus(exponent)
    if isinstance(arg, sp.exp):
        return arg.args[0]
    if isinstance(arg, sp.Mul):  # log(a e^x) = log a + x
        exps = [f for f in arg.args if isinstance(f, sp.exp)]
        rest = sp.Mul(*(f for f in arg.args if not isinstance(f, sp.exp)))
        if exps and rest.is_positive:
            return sp.log(rest) + sp.Add(*(f.args[0] for f in exps))
    return sp.log(arg)


def _is_free_power(expr: sp.Basic) -> bool:
    """x^k of a free power k: as e^(k log x), quotients of large powers are found together."""
    return isinstance(expr, sp.Pow) and not expr.exp.is_number and bool(expr.base.is_positive)


def _is_abs_power(expr: sp.Basic) -> bool:
    return isinstance(expr, sp.Pow) and isinstance(expr.base, sp.Abs)


def _is_power(expr: sp.Basic) -> bool:
    return (
        isinstance(expr, sp.Pow)
        and expr.exp.is_Integer
        and expr.exp.is_negative
        and _one_plus_exp(expr.base) is not None
    )


def _power(expr: sp.Pow) -> sp.Expr:
    """(1 + e^x)^-n = Expit(-x)^n."""
    exponent = _one_plus_exp(expr.base)
    assert exponent is not None
    return Expit(-exponent) ** (-expr.exp)


def _one_plus_exp(arg: sp.Expr) -> sp.Expr | None:
    """x, of 1 + e^x."""
    if not isinstance(arg, sp.Add) or len(arg.args) != 2 or sp.Integer(1) not in arg.args:
        return None
    other = arg.args[0] if arg.args[1] == 1 else arg.args[1]
    other = sp.powsimp(other, combine="exp", deep=True)
    return other.args[0] if isinstance(other, sp.exp) else None
