"""Log partition functions of posteriors, and the expectations that are their derivatives.

The integral of an exponential family's density is a function of what its functions are multiplied
by, its natural parameters; the derivatives of its log are the expectations of those functions
(Barndorff-Nielsen 1978, Information and Exponential Families, section 8.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sympy as sp

from emdsl.report.printer import Printer


@dataclass(frozen=True)
class Parameter:
    """A parameter in a family's usual form: (first + coefficient of a function) x number.

    `letters` are what it may be called, the best first.
    """

    letters: tuple[str, ...]
    function: int
    first: int
    number: sp.Expr


@dataclass(frozen=True)
class Family:
    """A posterior of one latent: its parameters and, given symbols for them, its formulas.

    `partition` and `means` take a printer, which learns how further symbols are spelled, and the
    parameters' symbols, with their sum over entries last where there is a `rest` of it. `means`
    are by function, as the family numbers them. `partition` is that of one entry.
    """

    word: str
    functions: str  # what the log joint is made of, in words
    source: str
    parameters: tuple[Parameter, ...]
    partition: Callable[[Printer, tuple[sp.Symbol, ...]], sp.Expr]
    means: Callable[[Printer, tuple[sp.Symbol, ...]], dict[int, sp.Expr]]
    where: str = ""  # what further letters in the formulas are
    rest: Callable[[sp.Symbol], sp.Expr] | None = None  # of the sum of all entries' parameters


def family(name: str, power: sp.Expr) -> Family:
    """The family that a posterior was recognised as, of u^power."""
    return _FAMILIES[name](power)


_ALPHA, _BETA = ("α", "a", "shape"), ("β", "b", "rate")
_ONE = sp.Integer(1)


def _gamma(p: sp.Expr, *, inverse: bool = False) -> Family:
    """Of u^p; with `inverse` of u^-p. Stacy, Ann. Math. Stat. 33 (1962)."""
    sign = -1 if inverse else 1

    def partition(_: Printer, s: tuple[sp.Symbol, ...]) -> sp.Expr:
        shape, rate = s
        return sp.loggamma(shape) - shape * sp.log(rate) - sp.log(p)

    def means(_: Printer, s: tuple[sp.Symbol, ...]) -> dict[int, sp.Expr]:
        shape, rate = s
        return {0: sign * (sp.polygamma(0, shape) - sp.log(rate)) / p, 1: shape / rate}

    word = "inverse gamma" if inverse else "gamma"
    return Family(
        word, f"log u and {_power(-p if inverse else p)}", "Stacy 1962",
        (Parameter(_ALPHA, 0, 1, sign / p), Parameter(_BETA, 1, 0, -_ONE)), partition, means,
    )  # fmt: skip


def _generalised(p: sp.Expr) -> Family:
    """Of u^p: Jørgensen, Statistical Properties of the Generalized Inverse Gaussian (1982)."""

    def root(printer: Printer, inner: str) -> sp.Symbol:
        found = sp.Symbol(f"root {inner}", positive=True)
        printer.marks[found] = printer.style.root(2, inner)
        return found

    def bessel(printer: Printer, s: tuple[sp.Symbol, ...], shift: int) -> sp.Symbol:
        order, up, down = s
        found = sp.Symbol(f"K {shift}", positive=True)
        argument = printer.show(2 * root(printer, printer.show(up * down)))
        base = printer.style.element("K", printer.show(order + shift))
        printer.marks[found] = f"{base}({argument})"
        return found

    def partition(printer: Printer, s: tuple[sp.Symbol, ...]) -> sp.Expr:
        order, up, down = s
        ratio = order * (sp.log(down) - sp.log(up)) / 2
        return ratio + sp.log(2 / p) + sp.log(bessel(printer, s, 0))

    def means(printer: Printer, s: tuple[sp.Symbol, ...]) -> dict[int, sp.Expr]:
        order, up, down = s
        k = {i: bessel(printer, s, i) for i in (-1, 0, 1)}
        slope = sp.Symbol("slope")
        log = printer.style.function("log", printer.marks[k[0]], bare=True)
        printer.marks[slope] = printer.style.slope(f" {log}", [printer.show(order)])
        return {
            0: ((sp.log(down) - sp.log(up)) / 2 + slope) / p,
            1: root(printer, printer.show(down / up)) * k[1] / k[0],
            2: root(printer, printer.show(up / down)) * k[-1] / k[0],
        }

    return Family(
        "generalised inverse Gaussian", f"log u, {_power(p)} and {_power(-p)}", "Jorgensen 1982",
        (
            Parameter(("r", "v", "order"), 0, 1, 1 / p), Parameter(_ALPHA, 1, 0, -_ONE),
            Parameter(_BETA, 2, 0, -_ONE),
        ),
        partition, means, "K with an order is the modified Bessel function of the second kind.",
    )  # fmt: skip


def _beta(_: sp.Expr) -> Family:
    def partition(_: Printer, s: tuple[sp.Symbol, ...]) -> sp.Expr:
        a, b = s
        return sp.loggamma(a) + sp.loggamma(b) - sp.loggamma(a + b)

    def means(_: Printer, s: tuple[sp.Symbol, ...]) -> dict[int, sp.Expr]:
        a, b = s
        both = sp.polygamma(0, a + b)
        return {0: sp.polygamma(0, a) - both, 1: sp.polygamma(0, b) - both}

    return Family(
        "beta", "log u and log(1 - u)", "Diaconis and Ylvisaker 1979",
        (Parameter(_ALPHA, 0, 1, _ONE), Parameter(_BETA, 1, 1, _ONE)), partition, means,
    )  # fmt: skip


def _positive_normal(_: sp.Expr) -> Family:
    """Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions (1994), 13.10."""

    def parts(printer: Printer, s: tuple[sp.Symbol, ...]) -> tuple[sp.Symbol, sp.Symbol]:
        linear, precision = s
        inner = str(printer.show(linear / sp.sqrt(precision)))
        below, density = (sp.Symbol(x, positive=True) for x in ("below", "density"))
        for symbol, name in ((below, "Φ"), (density, "φ")):
            spelled = printer.style.name(name)
            printer.marks[symbol] = f"{spelled}({inner})"
        return below, density

    def partition(printer: Printer, s: tuple[sp.Symbol, ...]) -> sp.Expr:
        linear, precision = s
        below, _ = parts(printer, s)
        half = (sp.log(2 * sp.pi) - sp.log(precision)) / 2
        return linear**2 / (2 * precision) + half + sp.log(below)

    def means(printer: Printer, s: tuple[sp.Symbol, ...]) -> dict[int, sp.Expr]:
        linear, precision = s
        below, density = parts(printer, s)
        mean = linear / precision + density / (sp.sqrt(precision) * below)
        return {0: mean, 1: 1 / precision + linear / precision * mean}

    return Family(
        "truncated normal", "u and u^2 for u > 0", "Johnson, Kotz and Balakrishnan 1994",
        (
            Parameter(("b", "h", "linear"), 0, 0, _ONE),
            Parameter(("Λ", "P", "precision"), 1, 0, sp.Integer(-2)),
        ),
        partition, means,
        "φ and Φ are the density and the distribution function of the standard normal.",
    )  # fmt: skip


LOW, HIGH = sp.Symbol("low", real=True), sp.Symbol("high", real=True)  # of a latent cut by data


def _cut_normal(_: sp.Expr) -> Family:
    """Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions (1994), (13.134) f."""

    def at(printer: Printer, s: tuple[sp.Symbol, ...], end: sp.Symbol, of: str) -> sp.Symbol:
        linear, precision = s
        printer.marks[end] = printer.style.name(end.name)
        inner = printer.show(sp.sqrt(precision) * end - linear / sp.sqrt(precision))
        found = sp.Symbol(f"{of} {end}", positive=True)
        printer.marks[found] = f"{printer.style.name(of)}({inner})"
        return found

    def mass(printer: Printer, s: tuple[sp.Symbol, ...]) -> sp.Expr:
        return at(printer, s, HIGH, "Φ") - at(printer, s, LOW, "Φ")

    def partition(printer: Printer, s: tuple[sp.Symbol, ...]) -> sp.Expr:
        linear, precision = s
        half = (sp.log(2 * sp.pi) - sp.log(precision)) / 2
        return linear**2 / (2 * precision) + half + sp.log(mass(printer, s))

    def means(printer: Printer, s: tuple[sp.Symbol, ...]) -> dict[int, sp.Expr]:
        linear, precision = s
        low, high = (at(printer, s, end, "φ") for end in (LOW, HIGH))
        scale = sp.sqrt(precision) * mass(printer, s)
        mean = sp.Symbol("mean of u")
        printer.marks[mean] = printer.style.mean("u")
        return {
            0: linear / precision + (low - high) / scale,
            1: 1 / precision + linear / precision * mean + (LOW * low - HIGH * high) / scale,
        }

    return Family(
        "truncated normal", "u and u^2 for u from low to high",
        "Johnson, Kotz and Balakrishnan 1994",
        (
            Parameter(("b", "h", "linear"), 0, 0, _ONE),
            Parameter(("Λ", "P", "precision"), 1, 0, sp.Integer(-2)),
        ),
        partition, means,
        "φ and Φ are the density and the distribution function of the standard normal, and an"
        " infinite end times φ there is 0. Where what is possible is in several stretches, the"
        " integral is a sum over them, and expectations are averages by their shares of it.",
    )  # fmt: skip


def _dirichlet(_: sp.Expr) -> Family:
    def partition(_: Printer, s: tuple[sp.Symbol, ...]) -> sp.Expr:
        return sp.loggamma(s[0])

    def means(_: Printer, s: tuple[sp.Symbol, ...]) -> dict[int, sp.Expr]:
        shape, total = s
        return {0: sp.polygamma(0, shape) - sp.polygamma(0, total)}

    return Family(
        "Dirichlet", "log u of each entry u", "Diaconis and Ylvisaker 1979",
        (Parameter(_ALPHA, 0, 1, _ONE),), partition, means, rest=lambda s: -sp.loggamma(s),
    )  # fmt: skip


def _power(p: sp.Expr) -> str:
    if p == 1:
        return "u"
    return "1/u" if p == -1 else f"u^{p}" if p.is_Integer else f"u^({p})"


_FAMILIES: dict[str, Callable[[sp.Expr], Family]] = {
    "gamma": _gamma,
    "inverse_gamma": lambda p: _gamma(p, inverse=True),
    "generalised_inverse_gaussian": _generalised,
    "beta": _beta,
    "positive_normal": _positive_normal,
    "cut_normal": _cut_normal,
    "dirichlet": _dirichlet,
}
