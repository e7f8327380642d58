"""The log density of a distribution at its variate, one entry at a time, as guarded SymPy.

Knows no distribution by name: it reads the declaration, puts the arguments in, and rewrites the
vocabulary of array operations into sums over named axes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import sympy as sp

from emdsl.derive.atoms import Elem, Ix, LogInd, SizeOf
from emdsl.derive.matrices import Inverse, Structure, log_det, structure, sum_over_entries
from emdsl.derive.reach import guarded, may_leave
from emdsl.derive.refusal import Refused
from emdsl.derive.scalarize import Guarded, Scalarizer, certain, combine, log_gamma
from emdsl.families import vocabulary as v
from emdsl.families.family import Family
from emdsl.families.interval import interval_of
from emdsl.model.graph import Choice, Distribution, Draw, Expr, Extent, Fixed, Limited, Ref
from emdsl.model.prior_bounds import bounds_of
from emdsl.source import Span

# the two entries of a variate that is an interval, in its log density
ENDS = (sp.Symbol("left end", real=True), sp.Symbol("right end", real=True))


@dataclass(frozen=True)
class Variate:
    """The value whose density is wanted: an expression, and its index where it is a latent."""

    expr: Expr
    index: Ix | None = None


def branches(
    dist: Distribution, s: Scalarizer, limited: Callable[[Limited], Draw]
) -> list[tuple[sp.Basic, Draw]]:
    """The plain draws of a distribution with the condition each holds under.

    `limited` makes a draw of one with limits.
    """
    match dist:
        case Draw():
            return [(sp.true, dist)]
        case Choice(test=test, then=then, orelse=orelse):
            condition = s.condition(test)
            if any(s.atoms.has_param(c) for c in condition.atoms(sp.Symbol)):
                raise Refused(
                    "test-on-parameter",
                    "a choice can't depend on a parameter: its log density has jumps there",
                    test.span,
                )
            out = [(sp.And(condition, c), d) for c, d in branches(then, s, limited)]
            out += [(sp.And(sp.Not(condition), c), d) for c, d in branches(orelse, s, limited)]
            return [(c, d) for c, d in out if c != sp.false]
        case Limited():
            return [(sp.true, limited(dist))]


@dataclass(frozen=True)
class DensityOf:
    """A draw with its family, ready to be evaluated at event places.

    `tree` is the log density to evaluate where it isn't the family's own; `override` may give a
    symbol's entry in another form than the model's.
    """

    family: Family
    draw: Draw
    variate: Variate
    scalarizer: Scalarizer
    tree: sp.Expr | None = None
    override: Callable[[sp.Symbol, tuple[Ix, ...]], Guarded | None] | None = None

    def at(self, place: tuple[Ix, ...]) -> Guarded:
        """The log density at an event place, conditions of the support as `LogInd` atoms."""
        names = [name for name, _ in self.draw.args]
        tree = self.family.log_density_in(names) if self.tree is None else self.tree
        density = self._guarded(self._eval(tree, place), place)
        if self.family.condition is None:
            return density
        condition = self._condition(self.family.condition, names, place)
        return combine([density], lambda d: d + condition)

    def _guarded(self, density: Guarded, place: tuple[Ix, ...]) -> Guarded:
        """The log density, minus infinity where parameters take an argument out of its support."""
        if isinstance(self.variate.expr, Ref) and self.variate.expr.role == "param":
            return density  # a prior's arguments are those of one density, not of rows'
        for name, arg in self.draw.args:
            parameter = self.family.parameter(name)
            if may_leave(parameter, arg):
                value = self.at_symbol(parameter.symbol, place)
                density = guarded(parameter.kind, value, density, self.scalarizer.atoms)
        return density

    def _condition(self, tree: sp.Basic, names: list[str], place: tuple[Ix, ...]) -> sp.Expr:
        a = self.family.alternative(names)
        if a is not None:
            tree = tree.subs([(self.family.symbol(p), e) for p, e in a.canonical])
        if tree == sp.true:
            return sp.Integer(0)
        atoms = self.scalarizer.atoms
        condition = self._boolean(tree, place)
        if condition == sp.true:
            return sp.Integer(0)
        if isinstance(self.variate.expr, Ref) and self.variate.expr.role == "param":
            return self._of_a_prior(condition, place)
        if any(atoms.has_param(x) for x in condition.free_symbols):
            raise Refused(
                "moving-support",
                f"the support of {self.family.name} moves with a parameter: its likelihood has "
                "jumps there, and no rule of calculus finds its maximum",
                self.draw.span,
                "make that argument a `const` or an `input`",
            )
        return atoms.symbol(LogInd(condition))

    def _of_a_prior(self, condition: sp.Basic, place: tuple[Ix, ...]) -> sp.Expr:
        """A prior's own support: fine where the parameter's type and bounds say as much."""
        s = self.scalarizer
        assert isinstance(self.variate.expr, Ref)
        name = self.variate.expr.name
        x = s.scalar(self.variate.expr, place)[0][1]
        support = interval_of(condition, x)
        kept = bounds_of(s.model.param(name), s.model.constraints)
        if support and kept and support[0] <= kept[0] and kept[1] <= support[1]:
            return sp.Integer(0)
        raise Refused(
            "bounded-prior",
            f"the prior {self.family.name} keeps `{name}` between bounds that aren't known before "
            "fitting",
            self.draw.span,
            "write its bounds as numbers, or take a prior on all values of the param",
        )

    def _boolean(self, tree: sp.Basic, place: tuple[Ix, ...]) -> sp.Basic:
        if isinstance(tree, sp.And | sp.Or | sp.Not):
            return tree.func(*(self._boolean(a, place) for a in tree.args))
        if isinstance(tree, sp.core.relational.Relational):
            sides = combine([self._eval(a, place) for a in tree.args], sp.Tuple)
            return sp.Or(*(sp.And(c, tree.func(*pair)) for c, pair in sides))
        return tree

    def _log_multi_gamma(self, a: sp.Basic, order: sp.Basic, place: tuple[Ix, ...]) -> Guarded:
        """The log multivariate gamma function as log gammas (Muirhead 1982, theorem 2.1.12).

        log Gamma_D(a) = D (D - 1) / 4 log pi + sum_j log Gamma(a - j / 2),  j = 0 .. D - 1
        """
        s = self.scalarizer
        assert isinstance(order, v.Dim)
        extent = self._length(order.args[0])
        size = s.size(extent)
        parts = self._eval(a, place)
        known = not any(s.atoms.has_param(x) or s.atoms.axes_of(x) for _, x in parts)
        if known and not isinstance(extent, Fixed):
            return combine([parts], lambda x: v.LogMultiGamma(x, size))
        for _, x in parts:
            self._above_the_order(x, size)
        constant = size * (size - 1) * sp.log(sp.pi) / 4
        if isinstance(extent, Fixed):
            places = [sp.Rational(j, 2) for j in range(extent.value)]
            return combine(
                [parts], lambda x: constant + sp.Add(*(log_gamma(x - j) for j in places))
            )
        axis = s.atoms.fresh(extent)
        half = s.number_of(axis) / 2
        total = s.summed((axis,), parts, lambda x: sp.loggamma(x - half))
        return combine([certain(total)], lambda x: constant + x)

    def _above_the_order(self, a: sp.Expr, size: sp.Expr) -> None:
        """Refuse params in log Gamma_D(a) where nothing says that a > (D - 1) / 2.

        A step below that would meet the gamma function between its poles, which looks no worse.
        """
        s = self.scalarizer
        if not s.atoms.has_param(a):
            return
        least: dict[sp.Symbol, sp.Expr] = {}
        for symbol in (2 * a - size).free_symbols:
            atom = s.atoms.atom(symbol)
            if isinstance(atom, SizeOf):
                least[symbol] = 1 + sp.Dummy(nonnegative=True)
            elif isinstance(atom, Elem) and atom.role == "param":
                bounds = bounds_of(s.model.param(atom.name), s.model.constraints)
                if bounds is not None and bounds[0] > 0.0:
                    least[symbol] = sp.Rational(repr(bounds[0])) + sp.Dummy(nonnegative=True)
        spare = sp.expand((2 * a - size + 1).xreplace(least))
        if not spare.is_positive:
            raise Refused(
                "low-degrees",
                f"the degrees of freedom of {self.family.name} are above its order less 1, and "
                "nothing keeps this argument there",
                self.draw.span,
                "write what they have beyond that as a positive param: `D - 1 + nu` for matrices "
                "of order D",
            )

    # -- the tree --

    def _eval(self, tree: sp.Basic, place: tuple[Ix, ...]) -> Guarded:
        s = self.scalarizer
        match tree:
            case sp.Symbol():
                return self._leaf(tree, place)
            case v.At():
                return self._entry(tree.args[0], tree.args[1], place)
            case v.Total():
                axis = s.atoms.fresh(self._length(tree.args[0]))
                return certain(s.summed((axis,), self._eval(tree.args[0], (axis,))))
            case v.Dim():
                extent = self._length(tree.args[0])
                if isinstance(extent, Fixed):
                    return certain(sp.Integer(extent.value))
                return certain(s.atoms.symbol(SizeOf(extent)))
            case v.LogDet():
                return log_det(self._matrix(tree.args[0]), s)
            case v.QuadInv():
                return sum_over_entries(
                    self._matrix(tree.args[0]), s, None, lambda i: self._eval(tree.args[1], (i,))
                )
            case v.TraceInv():
                return sum_over_entries(
                    self._matrix(tree.args[0]), s, self._matrix(tree.args[1]), None
                )
            case v.LogMultiGamma():
                a, order = tree.args
                return self._log_multi_gamma(a, order, place)
            case v.LogIndicator():
                condition = self._boolean(tree.args[0], place)
                if condition in (sp.true, sp.false):
                    return certain(sp.Integer(0) if condition == sp.true else -sp.oo)
                return certain(s.atoms.symbol(LogInd(condition)))
            case v.Where():
                condition = self._without_params(self._boolean(tree.args[0], place))
                return combine(
                    [self._eval(tree.args[1], place)], lambda e: s.indicator(condition) * e
                )
            case sp.Piecewise():
                return self._cases(tree, place)
            case _ if not tree.args:
                return certain(tree)
            case _:
                parts = [self._eval(a, place) for a in tree.args]
                return combine(parts, log_gamma if tree.func is sp.loggamma else tree.func)

    def _without_params(self, condition: sp.Basic) -> sp.Basic:
        if any(self.scalarizer.atoms.has_param(x) for x in condition.free_symbols):
            raise Refused(
                "moving-case",
                f"where the cases of {self.family.name} change depends on a parameter: its "
                "likelihood has jumps or kinks there, and no rule of calculus finds its "
                "maximum",
                self.draw.span,
                "make what the test is about a `const` or an `input`; write a kink as `abs`",
            )
        return condition

    def _cases(self, tree: sp.Piecewise, place: tuple[Ix, ...]) -> Guarded:
        """The cases of a density written with `if`, each under its own condition."""
        out: list[tuple[sp.Basic, sp.Expr]] = []
        before: sp.Basic = sp.false
        for value, test in tree.args:
            condition = self._without_params(self._boolean(test, place))
            here = sp.And(condition, sp.Not(before))
            out += [(sp.And(here, c), v) for c, v in self._eval(value, place)]
            before = sp.Or(before, condition)
        return tuple((c, v) for c, v in out if c != sp.false)

    def _leaf(self, symbol: sp.Symbol, place: tuple[Ix, ...]) -> Guarded:
        if self.override is not None:
            other = self.override(symbol, place)
            if other is not None:
                return other
        if symbol in ENDS:
            return self.scalarizer.scalar(self.variate.expr, (*place, ENDS.index(symbol)))
        return self.scalarizer.scalar(self._argument(symbol), place)

    def at_symbol(self, symbol: sp.Symbol, place: tuple[Ix, ...]) -> Guarded:
        """What stands for a symbol of the log density at an event place."""
        plain = replace(self, override=None)
        return plain._leaf(symbol, place)  # noqa: SLF001 # its own

    def _argument(self, symbol: sp.Basic) -> Expr:
        if symbol == self.family.variable:
            return self.variate.expr
        return dict(self.draw.args)[str(symbol)]

    def _entry(self, vector: sp.Basic, where: sp.Basic, place: tuple[Ix, ...]) -> Guarded:
        """At(p, x) with p[i] at i = x; p may be an expression of vectors."""
        if where == self.family.variable and self.variate.index is not None:
            return self._eval(vector, (self.variate.index,))
        expr = self._argument(where)
        return self._eval(vector, (self._data_index(expr, place),))

    def _data_index(self, expr: Expr, place: tuple[Ix, ...]) -> Ix:
        s = self.scalarizer
        index = s.index(expr) if not expr.shape else None
        if index is not None:
            return index
        assert isinstance(expr, Ref)
        return s.elem(expr, place)

    def _matrix(self, tree: sp.Basic) -> Structure:
        if isinstance(tree, v.MatInv):
            return Inverse(self._matrix(tree.args[0]))
        return structure(self._argument(tree), self.scalarizer)

    def _length(self, tree: sp.Basic) -> Extent:
        """The extent of a vector expression, or the order of a matrix."""
        lengths = []
        for symbol in sorted(tree.free_symbols, key=str):
            shape = self._argument(symbol).shape
            if shape:
                lengths.append(shape[-1])
        if not lengths:
            raise Refused(
                "no-length", f"an argument of {self.family.name} must be a vector", self.span
            )
        return lengths[0]

    @property
    def span(self) -> Span:
        return self.draw.span
