"""What a distribution is to the compiler: a declaration. No M-step: that is derived."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sympy as sp

from emdsl.model.kinds import Kind


@dataclass(frozen=True, slots=True)
class Parameter:
    """A distribution's parameter: `event` is 0 for a scalar, 1 for a vector, 2 for a matrix.

    `default` is None where the argument must be given. A scalar family's parameters broadcast.
    """

    name: str
    kind: Kind
    event: int = 0
    default: float | None = None
    doc: str = ""

    @property
    def symbol(self) -> sp.Symbol:
        """The SymPy symbol that stands for it in a log density."""
        return symbol(self.name, self.kind)


@dataclass(frozen=True, slots=True)
class Alternative:
    """Other names for some parameters: `canonical` gives each replaced one from the new ones.

    `Normal(m, var = v)`: parameters (var,), canonical (("sd", sqrt(var)),). The arguments it
    doesn't replace may occur there too: `Gamma(shape, mean = m)` has rate shape / mean.

    `log_density` is given where putting `canonical` into the family's would cancel digits or hide
    a sum: log(1 - p) at p = 1/(1 + exp(-logit)) is minus infinity from a logit of 37 on, while
    -log(1 + exp(logit)) is right everywhere. The two are equal in exact arithmetic.

    An alternative without parameters says what a left-out argument is, from the variate:
    `Multinomial(p = theta)` reads n off the counts.
    """

    parameters: tuple[Parameter, ...]
    canonical: tuple[tuple[str, sp.Expr], ...]
    log_density: sp.Expr | None = None

    @property
    def replaces(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.canonical)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A family by its name with arguments in SymPy, named as a model writes them."""

    family: str
    arguments: tuple[tuple[str, sp.Expr], ...]


@dataclass(frozen=True, slots=True)
class Representation:
    """The same distribution by way of a latent of its own: p(x) = integral p(x | u) p(u) du.

    StudentT(nu, m, s): x ~ Normal(m, var = s^2 / u) given u ~ Gamma(nu / 2, nu / 2).

    `parameters` are the argument names that it is written in, all of them; u is the SymPy symbol
    `U` (`V` where it may be negative) in `given`, what x is drawn from given it, and `latent` is
    what u is drawn from. `word`
    says what u is. Where EM over u is known to break, `caution` says why: such a form is taken
    where it is asked for, not otherwise.
    """

    parameters: tuple[str, ...]
    word: str
    latent: Drawn
    given: Drawn
    caution: str = ""


U, V = sp.Symbol("u", positive=True), sp.Symbol("u", real=True)


@dataclass(frozen=True, slots=True)
class Family:
    """A distribution.

    `variable` is the SymPy symbol of the variate in `log_density`; each parameter's symbol is
    `family.symbol(name)`. `event` is the variate's own event rank (0: elementwise over arrays,
    1: a vector, 2: a matrix). `condition` is the support where it depends on parameters (Uniform).
    `sampler` names a function of `emdsl.runtime.sampling`, called as
    `sampler(rng, *canonical parameters, size)`; None means sampling from the density itself.
    `values` says how many values a discrete variate with finite support has: a number (Bernoulli:
    2) or a SymPy expression of the parameters (`Dim(p)`, `n + 1`).
    `log_cdf` and `log_survival` are log P(X <= x) and log P(X > x), in the canonical parameters;
    None where they have no form here. `representations` are mixtures over a latent that give the
    same density, one for each way of writing the arguments. `apart` is the family of each entry of
    a vector where its matrix argument is diagonal, with the arguments' names there.
    """

    name: str
    doc: str
    variable: sp.Symbol
    kind: Kind
    parameters: tuple[Parameter, ...]
    log_density: sp.Expr
    event: int = 0
    alternatives: tuple[Alternative, ...] = ()
    condition: sp.Basic | None = None
    sampler: str | None = None
    values: sp.Expr | None = None
    log_cdf: sp.Expr | None = None
    log_survival: sp.Expr | None = None
    apart: tuple[str, tuple[tuple[str, str], ...]] | None = None
    representations: tuple[Representation, ...] = ()

    def representation(self, names: Collection[str]) -> Representation | None:
        """The mixture that gives this distribution with these arguments, if one is known."""
        found = (r for r in self.representations if set(r.parameters) == set(names))
        return next(found, None)

    def parameter(self, name: str) -> Parameter:
        """The parameter (or alternative parameter) `name`. Raises KeyError."""
        for p in (*self.parameters, *(q for a in self.alternatives for q in a.parameters)):
            if p.name == name:
                return p
        raise KeyError(name)

    def symbol(self, name: str) -> sp.Symbol:
        """The SymPy symbol of parameter (or alternative parameter) `name`."""
        return self.parameter(name).symbol

    def alternative(self, names: Collection[str]) -> Alternative | None:
        """The alternative that exactly these argument names are written in; None: canonical.

        Raises KeyError where they are no complete set of arguments (defaults filled in).
        """
        canonical = {p.name for p in self.parameters}
        if set(names) == canonical:
            return None
        for a in self.alternatives:
            if set(names) == (canonical - {*a.replaces}) | {q.name for q in a.parameters}:
                return a
        raise KeyError(f"{self.name} has no arguments {', '.join(names)}")

    def log_density_in(self, names: Collection[str]) -> sp.Expr:
        """The log density in the symbols of these arguments, canonical or alternative."""
        a = self.alternative(names)
        if a is None:
            return self.log_density
        if a.log_density is not None:
            return a.log_density
        return self.log_density.subs([(self.symbol(p), e) for p, e in a.canonical])

    def in_terms_of(self, tree: sp.Expr, names: Collection[str]) -> sp.Expr:
        """An expression of the canonical parameters in the symbols of these arguments."""
        a = self.alternative(names)
        return tree if a is None else tree.subs([(self.symbol(p), e) for p, e in a.canonical])


def symbol(name: str, kind: Kind) -> sp.Symbol:
    """The SymPy symbol for a name of this kind, with the assumptions the kind allows."""
    if kind in ("positive", "unit", "simplex"):
        return sp.Symbol(name, positive=True)
    if kind in ("count", "bool", "category", "index"):
        # Not integer: of an integer SymPy turns loggamma(x + 1) into log(gamma(x + 1)), which
        # overflows from x = 171 on.
        return sp.Symbol(name, nonnegative=True)
    return sp.Symbol(name, real=True)
