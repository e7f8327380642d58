"""The array operations in which a family may write its log density, beside scalar SymPy.

They are inert: SymPy never differentiates or evaluates them, `LogRising` and its slopes apart.
`derive/` rewrites each into sums over named axes before SymPy sees any algebra. Arguments named
S, P, M are matrices, v, p vectors.
"""

from __future__ import annotations

import sympy as sp


class At(sp.Function):  # type: ignore[misc]  # SymPy has no types
    """`At(p, x)`: the entry of vector p at the (discrete) place x."""

    nargs = 2


class Total(sp.Function):  # type: ignore[misc]  # SymPy has no types
    """`Total(e)`: the sum of the elementwise expression e over its vector axis."""

    nargs = 1


class Dim(sp.Function):  # type: ignore[misc]  # SymPy has no types
    """`Dim(v)`: the length of vector v, or the order of square matrix v."""

    nargs = 1


class MatInv(sp.Function):  # type: ignore[misc]  # SymPy has no types
    """`MatInv(P)`: the inverse of a positive definite matrix."""

    nargs = 1


class LogDet(sp.Function):  # type: ignore[misc]  # SymPy has no types
    """`LogDet(S)`: the log determinant of a positive definite matrix."""

    nargs = 1


class QuadInv(sp.Function):  # type: ignore[misc]  # SymPy has no types
    """`QuadInv(S, v)`: v' S^-1 v."""

    nargs = 2


class TraceInv(sp.Function):  # type: ignore[misc]  # SymPy has no types
    """`TraceInv(S, M)`: tr(S^-1 M)."""

    nargs = 2


class LogMultiGamma(sp.Function):  # type: ignore[misc]  # SymPy has no types
    """`LogMultiGamma(a, d)`: the log multivariate gamma function of order d at a."""

    nargs = 2


class LogIndicator(sp.Function):  # type: ignore[misc]  # SymPy has no types
    """`LogIndicator(condition)`: 0 where the condition holds, minus infinity elsewhere."""

    nargs = 1


class Where(sp.Function):  # type: ignore[misc]  # SymPy has no types
    """`Where(condition, e)`: e where the condition holds, 0 elsewhere."""

    nargs = 2


class LogRising(sp.Function):  # type: ignore[misc]  # SymPy has no types
    """`LogRising(x, d)`: log Gamma(x + d) - log Gamma(x), d free of parameters.

    The difference keeps its digits where x is large and the two log gammas have lost them.
    """

    nargs = 2

    @classmethod
    def eval(cls, x: sp.Expr, d: sp.Expr) -> sp.Expr | None:
        if x.is_number and d.is_number:
            return sp.loggamma(x + d) - sp.loggamma(x)
        return sp.Integer(0) if d == 0 else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        if argindex != 1:
            return sp.polygamma(0, self.args[0] + self.args[1])
        return DigammaRise(*self.args)


class DigammaRise(sp.Function):  # type: ignore[misc]  # SymPy has no types
    """`DigammaRise(x, d)`: digamma(x + d) - digamma(x)."""

    nargs = 2

    @classmethod
    def eval(cls, x: sp.Expr, d: sp.Expr) -> sp.Expr | None:
        """Of numbers, the number."""
        if not (x.is_number and d.is_number):
            return None
        return sp.polygamma(0, x + d) - sp.polygamma(0, x)

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        if argindex != 1:
            return sp.polygamma(1, self.args[0] + self.args[1])
        return TrigammaRise(*self.args)


class TrigammaRise(sp.Function):  # type: ignore[misc]  # SymPy has no types
    """`TrigammaRise(x, d)`: trigamma(x + d) - trigamma(x)."""

    nargs = 2

    @classmethod
    def eval(cls, x: sp.Expr, d: sp.Expr) -> sp.Expr | None:
        """Of numbers, the number."""
        if not (x.is_number and d.is_number):
            return None
        return sp.polygamma(1, x + d) - sp.polygamma(1, x)
