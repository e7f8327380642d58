"""Functions of distribution functions, with their derivatives, as SymPy functions of their own.

    log Phi(z)              LogNdtr(z)        its slope InverseMills(z) = phi(z) / Phi(z)
    log(1 - e^-x)           LogOneLess(x)     its slope OverExpm1(x) = 1 / (e^x - 1)
    log(F(b) - F(a))        LogBetween(...)   its slopes BetweenShare
    log sum_i e^x[i]        LogAdd(x, ...)
    log P(a, x), log Q(a, x)  LogGammaP, LogGammaQ  the regularised incomplete gamma functions
    log F of a Laplace      LogLaplace(z)     its slope LaplaceSlope(z)

Their plain formulas underflow in the tails, or are differences of nearly equal numbers. They are
never multiplied out: what stands in their arguments stays as it was written (`KEPT`).
"""

from __future__ import annotations

import sympy as sp


class _Real(sp.Function):  # type: ignore[misc]  # SymPy has no types
    """A real function that SymPy leaves as it is."""

    is_real = True

    def written(self) -> sp.Expr:
        """What it is, as books write it."""
        return sp.Function(type(self).__name__)(*self.args)


def plainly(log: sp.Expr) -> sp.Expr:
    """e to the power of a log, as books write it."""
    whole = log.written() if isinstance(log, _Real) else log
    return whole.args[0] if isinstance(whole, sp.log) else sp.exp(whole)


class LogNdtr(_Real):
    """`LogNdtr(z)`: log Phi(z), the log of the standard normal distribution function."""

    nargs = 1
    is_nonpositive = True

    @classmethod
    def eval(cls, z: sp.Expr) -> sp.Expr | None:
        return sp.log(sp.erfc(-z / sp.sqrt(2)) / 2) if z.is_number else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        del argindex
        return InverseMills(self.args[0])

    def written(self) -> sp.Expr:
        return sp.log(sp.Function("Phi")(self.args[0]))


class InverseMills(_Real):
    """`InverseMills(z)`: phi(z) / Phi(z). Johnson, Kotz and Balakrishnan 1994, section 13.8.3."""

    nargs = 1
    is_positive = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        del argindex
        return -MillsSlope(self.args[0])

    def written(self) -> sp.Expr:
        (z,) = self.args
        return sp.Function("phi")(z) / sp.Function("Phi")(z)


class MillsSlope(_Real):
    """`MillsSlope(z)`: h (z + h) of h = phi(z) / Phi(z), which is minus its derivative.

    It lies between 0 and 1: so log Phi is concave (Sampford 1953).
    """

    nargs = 1
    is_positive = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        del argindex
        z = self.args[0]
        h = InverseMills(z)
        return h * (1 - MillsSlope(z)) - MillsSlope(z) * (z + h)

    def written(self) -> sp.Expr:
        h = InverseMills(self.args[0])
        return h * (self.args[0] + h)


class LogOneLess(_Real):
    """`LogOneLess(x)`: log(1 - e^-x), x > 0. Maechler 2012."""

    nargs = 1

    @classmethod
    def eval(cls, x: sp.Expr) -> sp.Expr | None:
        return sp.log(1 - sp.exp(-x)) if x.is_number else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        del argindex
        return OverExpm1(self.args[0])

    def written(self) -> sp.Expr:
        return sp.log(1 - sp.exp(-self.args[0]))


class OverExpm1(_Real):
    """`OverExpm1(x)`: 1 / (e^x - 1), x > 0."""

    nargs = 1
    is_positive = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        del argindex
        return -OverExpm1(self.args[0]) * (1 + OverExpm1(self.args[0]))

    def written(self) -> sp.Expr:
        return 1 / (sp.exp(self.args[0]) - 1)


class LogBetween(_Real):
    """`LogBetween(log F(a), log F(b), log S(a), log S(b))`: log(F(b) - F(a)), with S = 1 - F.

    It is the difference of whichever two are smaller, and so are its derivatives.
    """

    nargs = 4

    @classmethod
    def eval(cls, low: sp.Expr, high: sp.Expr, above: sp.Expr, beyond: sp.Expr) -> sp.Expr | None:
        if not (low.is_number and high.is_number):
            return None
        del above, beyond
        return sp.log(sp.exp(high) - sp.exp(low))

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return _SIGNS[argindex - 1] * BetweenShare(*self.args, argindex - 1)

    def written(self) -> sp.Expr:
        return sp.log(plainly(self.args[1]) - plainly(self.args[0]))


class BetweenShare(_Real):
    """`BetweenShare(log F(a), log F(b), log S(a), log S(b), i)`: e^(argument i) / (F(b) - F(a)).

    Zero for the two that the difference isn't taken of.
    """

    nargs = 5
    is_nonnegative = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        *logs, which = self.args
        other = BetweenShare(*logs, argindex - 1)
        return self * (int(which == argindex - 1) - _SIGNS[argindex - 1] * other)

    def written(self) -> sp.Expr:
        low, high = plainly(self.args[0]), plainly(self.args[1])
        return plainly(self.args[int(self.args[4])]) / (high - low)


_SIGNS = (-1, 1, 1, -1)


class LogAdd(_Real):
    """`LogAdd(x, y, ...)`: log(e^x + e^y + ...)."""

    @classmethod
    def eval(cls, *terms: sp.Expr) -> sp.Expr | None:
        if all(t.is_number for t in terms):
            return sp.log(sp.Add(*map(sp.exp, terms)))
        return terms[0] if len(terms) == 1 else None

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.exp(self.args[argindex - 1] - self)

    def written(self) -> sp.Expr:
        return sp.log(sp.Add(*map(plainly, self.args)))


class LogGammaP(_Real):
    """`LogGammaP(a, x)`: the log of the regularised lower incomplete gamma function."""

    nargs = 2
    is_nonpositive = True

    @classmethod
    def eval(cls, a: sp.Expr, x: sp.Expr) -> sp.Expr | None:
        if not (a.is_number and x.is_number):
            return None
        return sp.log(sp.lowergamma(a, x) / sp.gamma(a))

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        a, x = self.args
        if argindex == 1:
            return sp.log(x) - LogDeficit(a, x) - sp.polygamma(0, a)
        return GammaRatioP(a, x)

    def written(self) -> sp.Expr:
        return sp.log(sp.Function("P")(*self.args))


class LogGammaQ(_Real):
    """`LogGammaQ(a, x)`: the log of the regularised upper incomplete gamma function."""

    nargs = 2
    is_nonpositive = True

    @classmethod
    def eval(cls, a: sp.Expr, x: sp.Expr) -> sp.Expr | None:
        if not (a.is_number and x.is_number):
            return None
        return sp.log(sp.uppergamma(a, x) / sp.gamma(a))

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        a, x = self.args
        if argindex == 1:
            return sp.log(x) + LogExcess(a, x) - sp.polygamma(0, a)
        return -GammaRatioQ(a, x)

    def written(self) -> sp.Expr:
        return sp.log(sp.Function("Q")(*self.args))


class GammaRatioP(_Real):
    """`GammaRatioP(a, x)`: x^(a-1) e^-x / Gamma(a) over P(a, x)."""

    nargs = 2
    is_positive = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        a, x = self.args
        if argindex == 1:
            return self * LogDeficit(a, x)
        return self * ((a - 1) / x - 1 - self)


class GammaRatioQ(_Real):
    """`GammaRatioQ(a, x)`: x^(a-1) e^-x / Gamma(a) over Q(a, x): a Gamma's hazard."""

    nargs = 2
    is_positive = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        a, x = self.args
        if argindex == 1:
            return -self * LogExcess(a, x)
        return self * ((a - 1) / x - 1 + self)


class LogDeficit(_Real):
    """`LogDeficit(a, x)`: E[log x - log t | t < x] of t ~ Gamma(a, 1)."""

    nargs = 2
    is_positive = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        a, x = self.args
        return -LogDeficitSpread(a, x) if argindex == 1 else 1 / x - GammaRatioP(a, x) * self


class LogExcess(_Real):
    """`LogExcess(a, x)`: E[log t - log x | t > x] of t ~ Gamma(a, 1)."""

    nargs = 2
    is_positive = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        a, x = self.args
        return LogExcessSpread(a, x) if argindex == 1 else GammaRatioQ(a, x) * self - 1 / x


class LogDeficitSpread(_Real):
    """`LogDeficitSpread(a, x)`: Var[log t | t < x] of t ~ Gamma(a, 1)."""

    nargs = 2
    is_positive = True


class LogExcessSpread(_Real):
    """`LogExcessSpread(a, x)`: Var[log t | t > x] of t ~ Gamma(a, 1)."""

    nargs = 2
    is_positive = True


class LogLaplace(_Real):
    """`LogLaplace(z)`: z - log 2 below 0, log(1 - e^-z / 2) above."""

    nargs = 1
    is_nonpositive = True

    @classmethod
    def eval(cls, z: sp.Expr) -> sp.Expr | None:
        if not z.is_number:
            return None
        return z - sp.log(2) if z < 0 else sp.log(1 - sp.exp(-z) / 2)

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        del argindex
        return LaplaceSlope(self.args[0])


class LaplaceSlope(_Real):
    """`LaplaceSlope(z)`: 1 below 0, 1 / (2 e^z - 1) above."""

    nargs = 1
    is_positive = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        del argindex
        return -LaplaceBend(self.args[0])


class LaplaceBend(_Real):
    """`LaplaceBend(z)`: 0 below 0, 2 e^z / (2 e^z - 1)^2 above: minus the slope's derivative."""

    nargs = 1
    is_nonnegative = True


class Inside(_Real):
    """`Inside(x, low, instead)`: x where it is a finite number above low, `instead` elsewhere.

    So a limit that isn't there (an infinite one, or one below all values) does no harm in the rows
    where it isn't used. Whole expressions in it are computed before anything is added to them.
    """

    nargs = 3

    @classmethod
    def eval(cls, x: sp.Expr, low: sp.Expr, instead: sp.Expr) -> sp.Expr | None:
        del instead
        return x if x.is_number and x.is_finite and (x > low) == sp.true else None

    def _eval_is_positive(self) -> bool | None:
        return True if self.args[1] == 0 else None

    def written(self) -> sp.Expr:
        return self.args[0]


KEPT = (
    LogNdtr, InverseMills, MillsSlope, LogOneLess, OverExpm1, LogBetween, BetweenShare, LogAdd,
    LogGammaP, LogGammaQ, GammaRatioP, GammaRatioQ, LogDeficit, LogExcess, LogDeficitSpread,
    LogExcessSpread, LogLaplace, LaplaceSlope, LaplaceBend, Inside,
)  # fmt: skip
