"""Slopes by index against finite differences of the sums written out, to fifty digits.

Random summands over plates, latents and events: parameters at axes, at places and where data point,
tests, sums and logs of sums of exponentials inside each other. Each is differentiated twice, and
compared entry by entry with differences of what it is differentiated from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from emdsl.derive.atoms import Elem, Ind, Ix, LogSumExp, SumOf, Value
from emdsl.derive.mstep.calculus import Summand, Untaken, slope
from emdsl.derive.smooth import AbsPower, LogBessel, Softplus, smooth
from emdsl.derive.table import Atoms
from emdsl.model.graph import Size

SIZES = {"N": 3, "K": 2, "D": 2}
PARAMS = {"a": "", "r": "K", "b": "K", "c": "KD", "e": "KK"}  # and the extents of their axes
POSITIVE = ("r",)
DIGITS, STEP, TOLERANCE = 50, mp.mpf(10) ** -16, mp.mpf(10) ** -12

Draw = Callable[[st.SearchStrategy[Any]], Any]
Values = Mapping[tuple[str, tuple[int, ...]], mp.mpf]


# --- random expressions --------------------------------------------------------------------------


@dataclass
class Writer:
    """Expressions over named axes, each choice of Hypothesis."""

    draw: Draw
    atoms: Atoms = field(default_factory=Atoms)
    axes: dict[str, list[str]] = field(default_factory=dict)  # those in scope, of each extent

    def pick(self, items: Any) -> Any:
        return self.draw(st.sampled_from(items))

    def axis(self, extent: str) -> str:
        new = self.atoms.fresh(Size(extent))
        self.axes.setdefault(extent, []).append(new)
        return new

    def summand(self) -> Summand:
        for extent in self.pick(["N", "NK", "NKK", "K", "KD", "NKD"]):
            self.axis(extent)
        expr = smooth(self.term(3), self.atoms)
        own = frozenset(a for axes in self.axes.values() for a in axes)
        return Summand(expr, own & self.atoms.axes_of(expr))

    def term(self, depth: int) -> sp.Expr:
        if depth == 0:
            return self.leaf()
        match self.pick(["leaf", "add", "mul", "function", "positive", "sum", "test"]):
            case "leaf":
                return self.leaf()
            case "add":
                return self.term(depth - 1) + self.term(depth - 1)
            case "mul":
                return self.term(depth - 1) * self.term(depth - 1)
            case "function":
                f = self.pick([sp.exp, sp.sin, Softplus, lambda x: x**2, _cubed])
                return f(self.term(depth - 1))
            case "positive":
                f = self.pick([sp.log, sp.loggamma, LogBessel, lambda x: 1 / x, sp.sqrt])
                return f(self.positive())
            case "test":
                return self.test() * self.term(depth - 1)
            case _:
                return self.sum(depth)

    def sum(self, depth: int) -> sp.Expr:
        """A sum over an axis of its own, of a term or its exponential, with a log or without."""
        extent = self.pick("KD")
        new = self.axis(extent)
        inside = self.term(depth - 1) + self.leaf()
        self.axes[extent].remove(new)
        match self.pick(["plain", "exp", "log"]):
            case "plain":
                return self.atoms.sum((new,), inside)
            case "exp":
                return self.atoms.sum((new,), sp.exp(inside))
            case _:
                return sp.log(self.atoms.sum((new,), sp.exp(inside)))

    def leaf(self) -> sp.Expr:
        if self.draw(st.booleans()):
            return self.param(self.pick(tuple(PARAMS)))
        return self.data()

    def positive(self) -> sp.Expr:
        return self.param("r") + self.pick([0, 1, 2])

    def param(self, name: str) -> sp.Expr:
        idx = tuple(self.place(e) for e in PARAMS[name])
        if len(set(PARAMS[name])) < len(idx) and self.draw(st.booleans()):
            idx = idx[:1] * len(idx)  # on the diagonal
        kind = "positive" if name in POSITIVE else "real"
        return self.atoms.symbol(Elem("param", name, idx, kind))

    def data(self) -> sp.Expr:
        if not self.axes.get("N"):
            return self.atoms.symbol(Elem("const", "w", (self.place("K"),), "real"))
        name, extents = self.pick([("y", "N"), ("u", "ND")])
        idx = tuple(self.place(e) for e in extents)
        return self.atoms.symbol(Elem("data", name, idx, "real"))

    def place(self, extent: str) -> Ix:
        """Where an array is read: an axis, a number, or what the data say."""
        options: list[Ix] = [*self.axes.get(extent, ())]
        if extent != "N":
            options.append(self.draw(st.integers(0, SIZES[extent] - 1)))
        if extent == "K":
            options += [Elem("data", "g", (n,), "category") for n in self.axes.get("N", ())]
        return self.pick(options)

    def test(self) -> sp.Expr:
        """[k = 1], [k = g[n]]."""
        axes = self.axes.get("K", ())
        if not axes:
            return sp.Integer(1)
        there = self.place("K")
        axis = self.pick(axes)
        if there == axis:
            return sp.Integer(1)
        other = self.atoms.symbol(there) if isinstance(there, Elem) else there
        if isinstance(there, str):
            other = self.atoms.symbol(Value(there))
        return self.atoms.symbol(Ind(sp.Eq(other, self.atoms.symbol(Value(axis)))))


def _cubed(x: sp.Expr) -> sp.Expr:
    """|x|^3 with its derivatives, away from the corner."""
    return AbsPower(x + sp.Rational(1, 7), sp.Integer(3), sp.Integer(0), sp.Integer(0))


# --- what they are worth -------------------------------------------------------------------------


def _abs_power(x: Any, p: Any, m: Any, s: Any) -> Any:
    size = mp.fabs(x)
    return size**p * mp.log(size) ** int(m) * mp.sign(x) ** int(s) if size else mp.mpf(0)


def _ratio(x: Any) -> Any:
    return mp.besseli(1, x) / mp.besseli(0, x)


FUNCTIONS: dict[str, Any] = {
    "Softplus": lambda x: mp.log(1 + mp.exp(x)),
    "Expit": lambda x: 1 / (1 + mp.exp(-x)),
    "LogBessel": lambda x: mp.log(mp.besseli(0, x)),
    "BesselRatio": _ratio,
    "BesselSlope": lambda x: 1 - _ratio(x) / x - _ratio(x) ** 2,
    "AbsPower": _abs_power,
    "polygamma": lambda k, x: mp.psi(int(k), x),
}


@cache
def _compiled(expr: sp.Expr) -> tuple[tuple[sp.Symbol, ...], Callable[..., Any]]:
    symbols = tuple(sorted(expr.free_symbols, key=str))
    names = [sp.Dummy() for _ in symbols]
    written = expr.xreplace(dict(zip(symbols, names, strict=True)))
    return symbols, sp.lambdify(names, written, [FUNCTIONS, "mpmath"])


@dataclass
class World:
    """Every entry's number."""

    atoms: Atoms
    values: Values

    def total(self, x: Summand, at: Mapping[str, int]) -> mp.mpf:
        """A summand at the places of its free axes."""
        return self._sum(tuple(sorted(x.axes)), x.expr, at, lambda v: v)

    def _sum(
        self,
        axes: tuple[str, ...],
        expr: sp.Expr,
        at: Mapping[str, int],
        each: Callable[[Any], Any],
    ) -> mp.mpf:
        sizes = [SIZES[self.atoms.axes[a].extent.name] for a in axes]  # type: ignore[union-attr]
        return mp.fsum(
            each(self.value(expr, {**at, **dict(zip(axes, places, strict=True))}))
            for places in product(*map(range, sizes))
        )

    def value(self, expr: sp.Expr, at: Mapping[str, int]) -> mp.mpf:
        symbols, f = _compiled(expr)
        return mp.mpf(f(*(self._symbol(s, at) for s in symbols)))

    def _symbol(self, symbol: sp.Symbol, at: Mapping[str, int]) -> mp.mpf:
        match self.atoms.atom(symbol):
            case Elem() as elem:
                return self._elem(elem, at)
            case Value(axis=axis):
                return mp.mpf(at[axis])
            case Ind(condition=sp.Eq() as c):
                return mp.mpf(self.value(c.lhs, at) == self.value(c.rhs, at))
            case SumOf(axes=axes, body=body):
                return self._sum(axes, body, at, lambda v: v)
            case LogSumExp(axes=axes, body=body):
                return mp.log(self._sum(axes, body, at, mp.exp))
            case other if str(other).startswith("SizeOf"):
                return mp.mpf(SIZES[other.extent.name])  # type: ignore[union-attr]
            case other:
                raise AssertionError(other)

    def _elem(self, elem: Elem, at: Mapping[str, int]) -> mp.mpf:
        def place(ix: Ix) -> int:
            if isinstance(ix, Elem):
                return int(self._elem(ix, at))
            return at[ix] if isinstance(ix, str) else ix

        return self.values[elem.name, tuple(map(place, elem.idx))]

    def moved(self, entry: tuple[str, tuple[int, ...]], by: mp.mpf) -> World:
        return World(self.atoms, {**self.values, entry: self.values[entry] + by})


def numbers(seed: int) -> Values:
    rng = np.random.default_rng(seed)
    shapes = {**PARAMS, "y": "N", "u": "ND", "w": "K"}
    out: dict[tuple[str, tuple[int, ...]], mp.mpf] = {}
    for name, extents in shapes.items():
        for place in places(extents):
            x = rng.uniform(0.5, 2) if name in POSITIVE else rng.uniform(-1, 1)
            out[name, place] = mp.mpf(x)
    for (n,) in places("N"):
        out["g", (n,)] = mp.mpf(int(rng.integers(SIZES["K"])))
    return out


def places(extents: str) -> Iterator[tuple[int, ...]]:
    return product(*(range(SIZES[e]) for e in extents))


# --- the comparison ------------------------------------------------------------------------------


def wrong(x: Summand, free: tuple[str, ...], world: World) -> Iterator[str]:
    """Slopes by each parameter that aren't those of finite differences, and slopes' slopes."""
    yield from _wrong(x, free, world, again=True)


def _wrong(x: Summand, free: tuple[str, ...], world: World, again: bool) -> Iterator[str]:
    atoms = world.atoms
    sizes = [SIZES[atoms.axes[a].extent.name] for a in free]  # type: ignore[union-attr]
    for name, extents in PARAMS.items():
        cell = tuple(atoms.fresh(Size(e)) for e in extents)
        slopes = slope(x, name, cell, atoms)
        for where in product(*map(range, sizes)):
            at = dict(zip(free, where, strict=True))
            for entry in places(extents):
                here = {**at, **dict(zip(cell, entry, strict=True))}
                found = mp.fsum(world.total(s, here) for s in slopes)
                up, down = (world.moved((name, entry), h).total(x, at) for h in (STEP, -STEP))
                expected = (up - down) / (2 * STEP)
                if not mp.fabs(found - expected) <= TOLERANCE * (1 + mp.fabs(expected)):
                    yield f"d {x} / d {name}{entry} at {at} is {found}, not {expected}"
        if again:
            for s in slopes:
                yield from _wrong(s, (*free, *cell), world, again=False)


@st.composite
def summands(draw: Draw) -> tuple[Summand, Atoms]:
    writer = Writer(draw)
    return writer.summand(), writer.atoms


@settings(max_examples=60, deadline=None)
@given(summands(), st.integers(0, 1000))
def test_random_summands(drawn: tuple[Summand, Atoms], seed: int) -> None:
    x, atoms = drawn
    with mp.workdps(DIGITS):
        assert not [*wrong(x, (), World(atoms, numbers(seed)))]


@pytest.mark.slow
@settings(max_examples=600, deadline=None)
@given(summands(), st.integers(0, 1000))
def test_more_random_summands(drawn: tuple[Summand, Atoms], seed: int) -> None:
    x, atoms = drawn
    with mp.workdps(DIGITS):
        assert not [*wrong(x, (), World(atoms, numbers(seed)))]


# --- what must not be differentiated -------------------------------------------------------------


def test_a_corner_is_not_a_slope() -> None:
    atoms = Atoms()
    a = atoms.symbol(Elem("param", "a", (), "real"))
    with pytest.raises(Untaken):
        slope(Summand(sp.Abs(a), frozenset()), "a", (), atoms)


def test_other_parameters_are_numbers() -> None:
    atoms = Atoms()
    a = atoms.symbol(Elem("param", "a", (), "real"))
    assert slope(Summand(sp.Abs(a), frozenset()), "b", (), atoms) == ()
