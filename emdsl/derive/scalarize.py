"""Expressions of the model, one entry at a time, as scalar SymPy over atoms.

A choice between expressions (an array literal indexed by a latent, an `if`) is a tuple of guarded
alternatives, so that any function of it stays a choice:

    log([1/2, t/4][z])   ⇒   [z = 0] log(1/2) + [z = 1] log(t/4)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product

import sympy as sp

from emdsl.derive.atoms import Elem, Ind, Ix, Pivot, SizeOf, Value
from emdsl.derive.levels import Level, Levels, Link
from emdsl.derive.refusal import Refused
from emdsl.derive.shifts import Shifts
from emdsl.derive.table import Atoms
from emdsl.model.graph import (
    Apply,
    ArrayOf,
    AxisRef,
    Expr,
    Extent,
    Fixed,
    Model,
    Number,
    Ref,
    SizeRef,
)

Guarded = tuple[tuple[sp.Basic, sp.Expr], ...]  # (condition, value): a partition


def certain(value: sp.Expr) -> Guarded:
    return ((sp.true, value),)


def combine(parts: Sequence[Guarded], build: Callable[..., sp.Expr]) -> Guarded:
    """`build` of every combination of alternatives whose conditions can hold together."""
    out: dict[sp.Basic, sp.Expr] = {}
    for choice in product(*parts):
        condition = sp.And(*(c for c, _ in choice))
        if condition != sp.false:
            out[condition] = build(*(v for _, v in choice))
    return tuple(out.items())


@dataclass
class Scalarizer:
    """Turns model expressions into guarded scalars.

    `level` holds the rows the expressions are evaluated at (None: no rows, as in a prior);
    `pivots` maps each pivoted parameter to the positions of its dimensions that the pivot keeps;
    `shifts` says which parameters share a pivot and how far latents are shifted by them;
    `arguments` the names bound inside a user's density.
    """

    model: Model
    atoms: Atoms
    levels: Levels
    level: Level | None = None
    pivots: dict[str, tuple[int, ...]] = field(default_factory=dict)
    centered: bool = False  # inside a location argument: parameters are already about the pivot
    arguments: dict[str, sp.Expr] = field(default_factory=dict)
    shifts: Shifts = field(default_factory=Shifts)

    # -- entries --

    def scalar(self, expr: Expr, at: tuple[Ix, ...] = ()) -> Guarded:
        """The entry of `expr` at event place `at`; trailing places count where it broadcasts."""
        rank = len(expr.shape)
        at = at[len(at) - rank :] if rank else ()
        match expr:
            case Number(value=value):
                return certain(number(value))
            case SizeRef(extent=extent):
                return certain(self.size(extent))
            case AxisRef():
                return certain(self.number_of(self.index(expr)))
            case ArrayOf(items=items):
                return self._pick(items, at)
            case Ref(role="argument", name=name):
                return certain(self.arguments[name])
            case Ref():
                return self._ref(expr, at)
            case Apply():
                return self._apply(expr, at)

    def condition(self, expr: Expr) -> sp.Basic:
        """A test as a SymPy condition. An uncertain subject becomes a union of its branches."""
        parts = self.scalar(expr)
        return sp.Or(*(sp.And(c, _truth(v)) for c, v in parts))

    def size(self, extent: Extent) -> sp.Expr:
        if isinstance(extent, Fixed):
            return sp.Integer(extent.value)
        return self.atoms.symbol(SizeOf(extent))

    def _pick(self, items: tuple[Expr, ...], at: tuple[Ix, ...]) -> Guarded:
        first, rest = at[0], at[1:]
        if isinstance(first, int):
            return self.scalar(items[first], rest)
        place = self.number_of(first)
        out: list[tuple[sp.Basic, sp.Expr]] = []
        for j, item in enumerate(items):
            here = sp.Eq(place, j)
            out.extend((sp.And(here, c), v) for c, v in self.scalar(item, rest))
        return tuple((c, v) for c, v in out if c != sp.false)

    def number_of(self, ix: Ix) -> sp.Expr:
        """An index as a number."""
        if isinstance(ix, str):
            return self.atoms.symbol(Value(ix))
        if isinstance(ix, int):
            return sp.Integer(ix)
        return self.atoms.symbol(ix)

    def _ref(self, ref: Ref, at: tuple[Ix, ...]) -> Guarded:
        if ref.name in self.levels.axes:
            return certain(self.atoms.symbol(Value(self._latent(ref))))
        literal = self._literal(ref)
        if literal is not None:
            return literal
        elem = self.elem(ref, at)
        symbol: sp.Expr = self.atoms.symbol(elem)
        if ref.role == "latent":
            symbol = symbol + self.shift_of(elem)
        elif ref.name in self.pivots and not self.centered:
            symbol = symbol + self.pivot_of(elem)
        return certain(symbol)

    def pivot_of(self, elem: Elem) -> sp.Expr:
        """What a parameter's entry is taken about: its own pivot, or the one that it shares."""
        kept = tuple(elem.idx[i] for i in self.pivots[elem.name])
        return self.atoms.symbol(Pivot(self.shifts.leaders.get(elem.name, elem.name), kept))

    def shift_of(self, elem: Elem) -> sp.Expr:
        """What a latent's entry is taken about."""
        parts = self.shifts.latents.get(elem.name, ())
        return sp.Add(
            *(
                p.factor * self.atoms.symbol(Pivot(p.param, tuple(elem.idx[i] for i in p.places)))
                for p in parts
            )
        )

    def _literal(self, ref: Ref) -> Guarded | None:
        """A const scalar whose value the file gives is just that number."""
        if ref.role != "const":
            return None
        value = self.model.const(ref.name).value
        return certain(number(value)) if isinstance(value, int | float) else None

    def elem(self, ref: Ref, at: tuple[Ix, ...]) -> Elem:
        """The atom of an array entry; raises Refused where an index isn't a place or a gather."""
        assert ref.role != "argument"
        kind = (
            self.model.param(ref.name).type.kind
            if ref.role == "param"
            else self.model.const(ref.name).type.kind
            if ref.role == "const"
            else self.model.variable(ref.name).type.kind
        )
        if ref.role in ("data", "input", "latent") and self.model.variable(ref.name).plates:
            assert self.level is not None
            link = self.levels.link(ref, self.level)
            rest = (self.index(e) for e in ref.indices[len(link.places) :])
            return Elem(
                ref.role, ref.name, (self.level.axis, *rest, *at), kind, self._via(ref, link)
            )
        idx = (*(self.index(e) for e in ref.indices), *at)
        return Elem(ref.role, ref.name, idx, kind)

    def _latent(self, ref: Ref) -> str:
        """The axis of a latent's values, as this level's rows see it."""
        assert self.level is not None
        axis = self.levels.axis_of(ref, self.level)
        if axis not in self.atoms.axes:
            own = self.atoms.axes[self.levels.axes[ref.name]]
            self.atoms.add_axis(axis, "latent", own.extent)
        return axis

    def _via(self, ref: Ref, link: Link) -> str:
        """How the row that a reference is to is written, where it isn't the row's own."""
        if link.up:
            return ""
        assert self.level is not None
        words = []
        for place, index in zip(link.places, ref.indices, strict=False):
            if place.kind == "array" and isinstance(index, Ref):
                words.append(self.atoms.text(self.elem(index, ())))
            else:
                words.append(str(place))
        via = ", ".join(words)
        self.levels.views[self.level.axis, ref.name, via] = link
        return via

    def index(self, expr: Expr) -> Ix:
        """An index expression: a plate, a latent's value, a number, or an observed gather."""
        match expr:
            case AxisRef(axis=axis) if self.level is not None and axis in self.levels.rows:
                return Elem("input", axis, (self.level.axis,), "index", "#")
            case AxisRef(axis=axis):
                return axis
            case Number(value=value):
                return int(value)
            case Ref() if expr.name in self.levels.axes:
                return self._latent(expr)
            case Ref(role="data" | "input" | "const"):
                literal = self._literal(expr)
                return self.elem(expr, ()) if literal is None else int(literal[0][1])
            case _:
                raise Refused(
                    "computed-index",
                    "an index that is computed can't be followed into the derivation",
                    expr.span,
                    "index by a plate, a latent, a number, or an `input` with the computed index",
                )

    # -- operations --

    def _apply(self, expr: Apply, at: tuple[Ix, ...]) -> Guarded:
        op, args = expr.op, expr.args
        match op:
            case "zeros":
                return certain(sp.Integer(0))
            case "ones":
                return certain(sp.Integer(1))
            case "eye":
                return certain(self.same(at[0], at[1]))
            case "diag":
                here = self.same(at[0], at[1])
                return combine([self.scalar(args[0], (at[0],))], lambda v: here * v)
            case "transpose":
                return self.scalar(args[0], (at[1], at[0]))
            case "dot" | "matmul" | "sum":
                return certain(self._contraction(expr, at))
            case "softmax":
                axis = self.atoms.fresh(args[0].shape[-1])
                total = self.summed((axis,), self.scalar(args[0], (axis,)), sp.exp)
                return combine([self.scalar(args[0], at)], lambda v: sp.exp(v) / total)
            case "if":
                test = self.condition(args[0])
                then = [(sp.And(test, c), v) for c, v in self.scalar(args[1], at)]
                orelse = [(sp.And(sp.Not(test), c), v) for c, v in self.scalar(args[2], at)]
                return tuple((c, v) for c, v in (*then, *orelse) if c != sp.false)
            case _:
                return combine([self.scalar(a, at) for a in args], _SCALAR[op])

    def _contraction(self, expr: Apply, at: tuple[Ix, ...]) -> sp.Expr:
        """Sums: `A @ v` at i is sum_j A[i, j] v[j]."""
        args = expr.args
        if expr.op == "sum":
            axes = tuple(self.atoms.fresh(e) for e in args[0].shape)
            return self.summed(axes, self.scalar(args[0], axes))
        axis = self.atoms.fresh(args[0].shape[-1])
        left_rank = len(args[0].shape)
        left = self.scalar(args[0], (*at[: left_rank - 1], axis))
        right = self.scalar(args[1], (axis, *at[left_rank - 1 :]))
        return self.summed((axis,), combine([left, right], lambda a, b: a * b))

    def summed(
        self,
        axes: tuple[str, ...],
        parts: Guarded,
        of: Callable[[sp.Expr], sp.Expr] = lambda v: v,
    ) -> sp.Expr:
        """A sum over axes of a choice: guards become indicator factors."""
        total = sp.Add(*(self.indicator(c) * of(v) for c, v in parts))
        return self.atoms.sum(axes, total)

    def same(self, i: Ix, j: Ix) -> sp.Expr:
        """[i = j] of two indices."""
        if i == j:
            return sp.Integer(1)
        return self.indicator(sp.Eq(self.number_of(i), self.number_of(j)))

    def indicator(self, condition: sp.Basic) -> sp.Expr:
        """The condition as a 0/1 factor; a conjunction becomes a product."""
        if condition == sp.true:
            return sp.Integer(1)
        if condition == sp.false:
            return sp.Integer(0)
        if isinstance(condition, sp.And):
            return sp.Mul(*(self.indicator(c) for c in condition.args))
        return self.atoms.symbol(Ind(condition))


def number(value: object) -> sp.Expr:
    """A literal as an exact SymPy number: 0.1 is 1/10."""
    if isinstance(value, int):
        return sp.Integer(value)
    return sp.Rational(repr(value))


def log_gamma(x: sp.Expr) -> sp.Expr:
    """log Gamma(x); of a large whole number as a float, for SymPy would write out its factorial."""
    if x.is_Integer and x > 30:
        return sp.Float(math.lgamma(int(x)))
    return sp.loggamma(x)


def _truth(value: sp.Basic) -> sp.Basic:
    """A scalar used as a test: what isn't a condition holds where it isn't zero."""
    if isinstance(value, sp.logic.boolalg.Boolean) and not isinstance(value, sp.Symbol):
        return value
    return sp.Ne(value, 0)


_SCALAR: dict[str, Callable[..., sp.Expr]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "neg": lambda a: -a,
    "exp": sp.exp,
    "log": sp.log,
    "sqrt": sp.sqrt,
    "abs": sp.Abs,
    "sin": sp.sin,
    "cos": sp.cos,
    "tanh": sp.tanh,
    "logistic": lambda a: 1 / (1 + sp.exp(-a)),
    "lgamma": log_gamma,
    "eq": sp.Eq,
    "ne": sp.Ne,
    "lt": sp.Lt,
    "le": sp.Le,
    "gt": sp.Gt,
    "ge": sp.Ge,
    "and": lambda a, b: sp.And(_truth(a), _truth(b)),
    "or": lambda a, b: sp.Or(_truth(a), _truth(b)),
    "not": lambda a: sp.Not(_truth(a)),
}
