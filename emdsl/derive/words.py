"""Expressions as one line of text, in the functions that the language and the books have."""
# ruff: noqa: N802, N815 (SymPy's printer finds its methods by the names of classes)

from __future__ import annotations

import sympy as sp
from sympy.printing.str import StrPrinter

from emdsl.derive.atoms import THE_ONE, Centered, Elem, Ind, LogInd, LogSumExp, SumOf
from emdsl.derive.smooth import AbsPower
from emdsl.derive.table import Atoms
from emdsl.diagnostics import Bug
from emdsl.families.cumulative import KEPT, Inside


def words(expr: sp.Basic, atoms: Atoms, *, centered: bool = False) -> str:
    """The expression: digamma(a), log(1 + exp(x)), x^2.

    centered : write data less their pivot as the generated module does, `x_centered[n]`.
    """
    return str(_Words(atoms, centered).doprint(expr)).replace("**", "^")


class _Words(StrPrinter):  # type: ignore[misc]  # SymPy has no types
    """SymPy's names for functions, and the atoms' for what they hold, as people know them."""

    printmethod = "_in_words"  # what a function says of itself is for SymPy's own printer

    def __init__(self, atoms: Atoms, centered: bool) -> None:
        super().__init__()
        self.table = atoms
        self.centered = centered

    def _print_Symbol(self, expr: sp.Symbol) -> str:
        try:
            atom = self.table.atom(expr)
        except Bug:  # a stand-in of the caller's
            return str(expr.name)
        match atom:
            case SumOf(axes=axes, body=body):
                return f"sum_{{{', '.join(axes)}}} ({self._print(body)})"
            case LogSumExp(axes=axes, body=body):
                return f"log(sum_{{{', '.join(axes)}}} exp({self._print(body)}))"
            case Ind(condition=c):
                return f"[{self._print(c)}]"
            case LogInd(condition=c):
                return f"log [{self._print(c)}]"
            case Centered(of=of, through=through):
                text = self.table.text(of)
                if self.centered:
                    name, bracket, rest = text.partition("[")
                    text = f"{name}_centered{bracket}{rest}"
                return f"log_{text}" if through and self.centered else text
            case Elem(idx=idx, via=via) if via == THE_ONE or {self.table.single} & {*map(str, idx)}:
                return self.table.text(atom)
            case _:
                return str(expr.name)

    _print_Dummy = _print_Symbol

    def _call(self, name: str, expr: sp.Basic) -> str:
        return f"{name}({self._print(expr.args[-1])})"

    def _print_Relational(self, expr: sp.Basic) -> str:
        if any(isinstance(side, Inside) for side in expr.args):
            limit = next(side for side in expr.args if isinstance(side, Inside))
            return f"{self._print(limit)} {'given' if isinstance(expr, sp.Eq) else 'open'}"
        sign = {"==": "=", "!=": "!="}.get(expr.rel_op, expr.rel_op)
        return f"{self._print(expr.lhs)} {sign} {self._print(expr.rhs)}"

    def _print_loggamma(self, expr: sp.Basic) -> str:
        return self._call("lgamma", expr)

    def _print_LogRising(self, expr: sp.Basic) -> str:
        return self._rise("lgamma", expr)

    def _print_DigammaRise(self, expr: sp.Basic) -> str:
        return self._rise("digamma", expr)

    def _print_TrigammaRise(self, expr: sp.Basic) -> str:
        return self._rise("trigamma", expr)

    def _rise(self, name: str, expr: sp.Basic) -> str:
        x, d = expr.args
        return f"({name}({self._print(x + d)}) - {name}({self._print(x)}))"

    def _print_polygamma(self, expr: sp.Basic) -> str:
        order = expr.args[0]
        if order in (0, 1):
            return self._call("digamma" if order == 0 else "trigamma", expr)
        return f"polygamma({order}, {self._print(expr.args[1])})"

    def _print_Softplus(self, expr: sp.Basic) -> str:
        return f"log(1 + exp({self._print(expr.args[0])}))"

    def _print_Expit(self, expr: sp.Basic) -> str:
        return self._call("expit", expr)

    def _print_LogBessel(self, expr: sp.Basic) -> str:
        return self._call("log I0", expr)

    def _print_BesselRatio(self, expr: sp.Basic) -> str:
        inner = self._print(expr.args[0])
        return f"(I1({inner})/I0({inner}))"

    def _print_BesselSlope(self, expr: sp.Basic) -> str:
        return self._call("(I1/I0)'", expr)

    def _print_besseli(self, expr: sp.Basic) -> str:
        return self._call(f"I{expr.args[0]}", expr)

    def _print_AbsPower(self, expr: AbsPower) -> str:
        return f"({self._print(expr.written())})"

    def _print_Function(self, expr: sp.Basic) -> str:
        if isinstance(expr, KEPT):
            return f"({self._print(expr.written())})"
        return str(super()._print_Function(expr))

    def _print_Abs(self, expr: sp.Basic) -> str:
        return self._call("abs", expr)
