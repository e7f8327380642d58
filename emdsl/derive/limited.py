"""Censored, truncated and interval distributions as families of their own.

    Censored    log p(x) inside;  log P(X >= upper) or log P(X <= lower) at a limit or beyond it
    Truncated   log p(x) - log P(lower <= X <= upper), and impossible outside
    Interval    log P(left <= X <= right) of the two ends that are the data; log p where they meet

Each is put together from what its base declares: a density and two distribution functions. Limits
may be infinite (or below all values of the base) in some rows, which is to have none there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import sympy as sp

from emdsl.derive.densities import ENDS
from emdsl.derive.links import linked
from emdsl.derive.location import CARRIER, Location, location_of
from emdsl.derive.refusal import Refused
from emdsl.families import vocabulary as v
from emdsl.families.cumulative import Inside, LogAdd, LogBetween, LogOneLess
from emdsl.families.family import Family, Parameter, symbol
from emdsl.model.check import references_in
from emdsl.model.graph import Draw, Expr, Limited, Model, Number, Ref
from emdsl.model.kinds import DISCRETE, Kind

LOWER, UPPER = "lower limit", "upper limit"  # arguments that no family has
LEFT, RIGHT = ENDS
_MOST = 60  # probabilities added up one by one


@dataclass(frozen=True)
class End:
    """A limit: its symbol, the one for where it meets a location, and what is known of it.

    `known` is its value where that is a number; `sure`, that there is one in every row.
    """

    symbol: sp.Symbol
    known: sp.Expr | None
    sure: bool

    @property
    def carrier(self) -> sp.Symbol:
        return sp.Symbol(f"{self.symbol} carried", real=True)


@dataclass(frozen=True)
class Limits:
    """A limited distribution as a draw from a family of its own, and its location if it has one."""

    draw: Draw
    family: Family
    location: Location | None


def limits_of(dist: Limited, families: Mapping[str, Family], model: Model) -> Limits:
    """Raises Refused where the base's distribution function has no form here."""
    base = families[dist.base.family]
    draw = linked(dist.base, base)
    names = tuple(name for name, _ in draw.args)
    given = {LOWER: dist.lower, UPPER: dist.upper}
    ends = {n: _end(n, e, model) for n, e in given.items() if e is not None}
    if dist.kind == "interval":
        ends = {"left": End(LEFT, None, False), "right": End(RIGHT, None, False)}
    met = {n: e for n, e in ends.items() if not _idle(n, e, base)}
    plain = _Form(dist, base, names, met)
    wrapper = dist.kind.capitalize()
    family = Family(
        name=f"{wrapper}({base.name})",
        doc=base.doc,
        variable=base.variable,
        kind=base.kind,
        parameters=(*(_parameter(base, n) for n in names), *(Parameter(n, "real") for n in given)),
        log_density=plain.tree(),
        event=int(dist.kind == "interval"),
        condition=plain.condition(),
    )
    args = [*draw.args, *((n, e or Number(0, dist.span)) for n, e in given.items())]
    known = [f"{n} {e.known} {e.sure}" for n, e in met.items()]
    key = " ".join([wrapper, base.name, *names, *known])
    return Limits(Draw(key, tuple(args), dist.span), family, _location(plain))


def _location(plain: _Form) -> Location | None:
    """The base's location, where its distribution functions meet it as its density does."""
    found = location_of(plain.base, plain.names)
    if found is None:
        return None
    about = replace(plain, about=found)
    try:
        tree = about.tree()
    except _Elsewhere:
        return None
    ends = tuple((e.carrier, e.symbol) for e in plain.ends.values())
    return replace(found, tree=tree, ends=ends)


class _Elsewhere(Exception):  # not an error: there is no location then
    """A distribution function that the variate enters otherwise than the density."""


def _parameter(family: Family, name: str) -> Parameter:
    every = (*family.parameters, *(q for a in family.alternatives for q in a.parameters))
    return next(p for p in every if p.name == name)


def _end(name: str, expr: Expr, model: Model) -> End:
    """What is known of a limit that the model writes."""
    if any(ref.role == "param" for ref, _ in references_in(expr)):
        raise Refused(
            "moving-support",
            "a limit that moves with a parameter: the likelihood has jumps there, and no rule of "
            "calculus finds its maximum",
            expr.span,
            "make the limit a number, a `const` or an `input`",
        )
    known: sp.Expr | None = None
    if isinstance(expr, Number):
        known = sp.nsimplify(expr.value, rational=True)
    elif isinstance(expr, Ref) and expr.role == "const":
        value = model.const(expr.name).value
        if isinstance(value, int | float):
            known = sp.nsimplify(value, rational=True)
    sure = known is not None or (isinstance(expr, Ref) and expr.role == "const")
    return End(symbol(name, "real"), known, sure)


def _idle(name: str, end: End, base: Family) -> bool:
    """Whether a lower limit is known to be below (or at the start of) all values anyway."""
    if name != LOWER or end.known is None:
        return False
    return base.kind in ("positive", "unit", "count") and bool(end.known <= 0)


@dataclass(frozen=True)
class _Form:
    """The log density of one limited distribution, in its symbols.

    `about` is the base's location where the density is written about it.
    """

    dist: Limited
    base: Family
    names: tuple[str, ...]
    ends: Mapping[str, End]
    about: Location | None = None

    def tree(self) -> sp.Expr:
        own = self.base.log_density_in(self.names) if self.about is None else self.about.tree
        x = self.base.variable
        match self.dist.kind:
            case "censored":
                cases = []
                if UPPER in self.ends:
                    end = self.ends[UPPER]
                    cases.append((self.at_least(end), x >= end.symbol))
                if LOWER in self.ends:
                    end = self.ends[LOWER]
                    cases.append((self.at_most(end), x <= end.symbol))
                return sp.Piecewise(*cases, (own, True)) if cases else own
            case "truncated":
                lower, upper = self.ends.get(LOWER), self.ends.get(UPPER)
                return own - self.mass(lower, upper)
            case _:
                left, right = self.ends["left"], self.ends["right"]
                exact = own.xreplace({x: self.usable(left), CARRIER: left.carrier})
                apart = sp.Ne(LEFT, RIGHT)
                return v.Where(sp.Eq(LEFT, RIGHT), exact) + sp.Add(
                    *(v.Where(sp.And(apart, c), e) for e, c in self.mass_cases(left, right))
                )

    def condition(self) -> sp.Basic | None:
        """Where there is any density: between the limits, and the base's own support."""
        x = self.base.variable
        if self.dist.kind == "interval":
            if self.base.condition is not None:
                self.refuse("its support depends on its arguments")
            return None
        parts = [] if self.base.condition is None else [
            self.base.in_terms_of(self.base.condition, self.names)
        ]  # fmt: skip
        if self.dist.kind == "truncated":
            parts += [x >= e.symbol for n, e in self.ends.items() if n == LOWER]
            parts += [x <= e.symbol for n, e in self.ends.items() if n == UPPER]
        return sp.And(*parts) if parts else None

    # -- probabilities --

    def mass(self, lower: End | None, upper: End | None) -> sp.Expr:
        """log P(lower <= X <= upper)."""
        return sp.Add(
            *(e if c == sp.true else v.Where(c, e) for e, c in self.mass_cases(lower, upper))
        )

    def mass_cases(self, lower: End | None, upper: End | None) -> list[tuple[sp.Expr, sp.Basic]]:
        """The same, by which of the limits there are: no two conditions hold together."""
        low = sp.false if lower is None else self.there(lower)
        high = sp.false if upper is None else self.there(upper)
        cases: list[tuple[sp.Expr, sp.Basic]] = []
        if lower is not None and upper is not None:
            cases.append((self.between(lower, upper), sp.And(low, high)))
        if upper is not None and low != sp.true:
            cases.append((self.at_most(upper), sp.And(sp.Not(low), high)))
        if lower is not None and high != sp.true:
            cases.append((self.at_least(lower), sp.And(low, sp.Not(high))))
        return cases

    def there(self, end: End) -> sp.Basic:
        """The condition that there is a limit."""
        if end.sure:
            return sp.true
        return sp.Eq(Inside(end.symbol, self.low(end), self.instead), end.symbol)

    def usable(self, end: End, less: int = 0) -> sp.Expr:
        """The limit (less a step) in formulas: something harmless where there is none."""
        if end.sure:
            return end.symbol - less
        return Inside(end.symbol, sp.Integer(0) if less else self.least, self.instead) - less

    def low(self, end: End) -> sp.Expr:
        """What a limit that says anything is above: 0 is no lower limit of a count."""
        lower = end.symbol in (LEFT, symbol(LOWER, "real"))
        return sp.Integer(0) if self.base.kind == "count" and lower else self.least

    @property
    def least(self) -> sp.Expr:
        """What all values are above."""
        kinds = {"positive": sp.Integer(0), "unit": sp.Integer(0), "count": -sp.Rational(1, 2)}
        return kinds.get(self.base.kind, -sp.oo)

    @property
    def instead(self) -> sp.Expr:
        return sp.Integer(0) if self.base.kind == "real" else sp.Integer(1)

    def at_most(self, end: End) -> sp.Expr:
        """log P(X <= end)."""
        if self.base.log_cdf is None and (last := self._number(end)) is not None:
            return self._added(0, last)
        return self.cdf(end)

    def at_least(self, end: End) -> sp.Expr:
        """log P(X >= end)."""
        if self.base.log_survival is None and (last := self._number(end)) is not None:
            return LogOneLess(-self._added(0, last - 1))
        return self.survival(end, self.step)

    def between(self, lower: End, upper: End) -> sp.Expr:
        """log P(lower <= X <= upper)."""
        first, last = self._number(lower), self._number(upper)
        if self.base.log_cdf is None and first is not None and last is not None:
            return self._added(max(first, 0), last)
        return LogBetween(
            self.cdf(lower, self.step), self.cdf(upper),
            self.survival(lower, self.step), self.survival(upper),
        )  # fmt: skip

    @property
    def step(self) -> int:
        """From a whole number to the one before."""
        return int(self.base.kind in DISCRETE)

    def cdf(self, end: End, less: int = 0) -> sp.Expr:
        return self._function(self.base.log_cdf, end, less)

    def survival(self, end: End, less: int = 0) -> sp.Expr:
        return self._function(self.base.log_survival, end, less)

    def _function(self, tree: sp.Expr | None, end: End, less: int) -> sp.Expr:
        if tree is None:
            self.refuse("its distribution function has no form here")
        assert tree is not None
        x = self.base.variable
        tree = self.base.in_terms_of(tree, self.names)
        if self.about is None:
            return tree.xreplace({x: self.usable(end, less)})
        tree = tree.xreplace({sp.log(x) if self.about.through else x: end.carrier})
        if x in tree.free_symbols:
            raise _Elsewhere
        return tree

    def _number(self, end: End) -> int | None:
        """A limit up to which the probabilities of a count can be added up one by one."""
        few = self.base.kind == "count" and end.known is not None and end.known <= _MOST
        return int(end.known) if few and end.known is not None else None

    def _added(self, first: int, last: int) -> sp.Expr:
        """log P(first <= X <= last), one value after the other."""
        own = self.base.log_density_in(self.names)
        return LogAdd(*(own.xreplace({self.base.variable: sp.Integer(k)})
                        for k in range(first, last + 1)))  # fmt: skip

    def refuse(self, why: str) -> None:
        name, word = self.base.name, self.dist.kind
        hint = f"these can be {word}: {', '.join(sorted(with_form()))}"
        if self.base.kind == "count":
            others = " or ".join(sorted(with_form("count")))
            hint = f"give limits that are numbers (up to {_MOST}), or take {others}"
        raise Refused(
            "limited-density", f"`{name}` can't be {word}: {why}", self.dist.base.span, hint
        )


def with_form(kind: Kind | None = None) -> list[str]:
    """The families whose distribution functions are declared, of values of this kind."""
    from emdsl.families import FAMILIES

    return [
        name
        for name, family in FAMILIES.items()
        if family.log_cdf is not None and kind in (None, family.kind)
    ]
