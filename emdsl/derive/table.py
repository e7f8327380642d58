"""The table of what SymPy's symbols stand for, and what can be asked of an expression by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Literal, TypeGuard

import sympy as sp

from emdsl.derive.atoms import (
    Atom,
    AxisInfo,
    Centered,
    Coef,
    Elem,
    Ind,
    InvOf,
    Ix,
    LogDetOf,
    LogInd,
    LogSumExp,
    Matrix,
    Pivot,
    Seen,
    SizeOf,
    Stat,
    SumOf,
    Value,
    Weight,
)
from emdsl.diagnostics import Bug
from emdsl.model.graph import Extent, Fixed, Ragged, Size

_PLAIN = (sp.Add, sp.Mul, sp.Pow, sp.Function)  # which bind no symbol of their arguments


@dataclass
class Atoms:
    """The table of symbols and axes of one derivation. Grows while deriving, never changes."""

    axes: dict[str, AxisInfo] = field(default_factory=dict)
    param_dims: dict[str, tuple[Extent, ...]] = field(default_factory=dict)
    latent_dims: dict[str, tuple[Extent, ...]] = field(default_factory=dict)  # of one element
    single: str = ""  # the axis of what stands in no plate, which isn't written
    _by_symbol: dict[sp.Symbol, Atom] = field(default_factory=dict)
    _by_atom: dict[Atom, sp.Symbol] = field(default_factory=dict)
    # what is asked of the same expressions again and again, which never changes either
    _axes_of: dict[sp.Basic, frozenset[str]] = field(default_factory=dict, repr=False)
    _deep: dict[sp.Basic, frozenset[Atom]] = field(default_factory=dict, repr=False)

    # -- axes --

    def add_axis(self, name: str, role: Literal["plate", "latent", "event"], extent: Extent) -> str:
        self.axes[name] = AxisInfo(name, role, extent)
        return name

    def fresh(self, extent: Extent) -> str:
        """A new event axis over `extent`, named after it (`d`, `d_2`, ...)."""
        stem = extent.name.lower() if isinstance(extent, Size | Ragged) else "i"
        name, count = stem, 1
        while name in self.axes:
            count += 1
            name = f"{stem}_{count}"
        return self.add_axis(name, "event", extent)

    # -- symbols --

    def symbol(self, atom: Atom) -> sp.Symbol:
        """The symbol that stands for `atom`, with the assumptions its kind allows."""
        atom = _ordered(atom)
        found = self._by_atom.get(atom)
        if found is None:
            name = self.text(atom)
            while sp.Symbol(name, **_assumptions(atom)) in self._by_symbol:
                name += "'"
            found = sp.Symbol(name, **_assumptions(atom))
            self._by_atom[atom] = found
            self._by_symbol[found] = atom
        return found

    def atom(self, symbol: sp.Basic) -> Atom:
        try:
            return self._by_symbol[symbol]
        except KeyError:
            raise Bug(f"symbol {symbol} stands for nothing") from None

    def atoms_of(self, expr: sp.Basic) -> tuple[Atom, ...]:
        """The atoms of an expression, in a reproducible order; not those inside sums."""
        return tuple(self.atom(s) for s in sorted(expr.free_symbols, key=str))

    def deep(self, expr: sp.Basic) -> frozenset[Atom]:
        """All atoms of an expression, with those inside sums, conditions and offsets."""
        known = self._deep.get(expr)
        if known is not None:
            return known
        found: set[Atom] = set()
        if isinstance(expr, _PLAIN):
            for part in expr.args:
                found |= self.deep(part)
        else:
            for s in expr.free_symbols:
                atom = self.atom(s)
                found.add(atom)
                found |= self._inside(atom)
        self._deep[expr] = frozenset(found)
        return self._deep[expr]

    def _inside(self, atom: Atom) -> frozenset[Atom]:
        match atom:
            case SumOf(body=e) | LogSumExp(body=e) | Ind(condition=e) | LogInd(condition=e):
                return self.deep(e)
            case Centered(of=elem, offset=e):
                return self.deep(e) | {elem} | self._inside(elem)
            case (
                Elem(idx=idx) | Pivot(idx=idx) | Seen(idx=idx) | Stat(idx=idx) | Coef(idx=idx)
                | Weight(idx=idx)
            ):  # fmt: skip
                inner = {ix for ix in idx if isinstance(ix, Elem)}
                return frozenset(inner).union(*(self._inside(ix) for ix in inner))
            case _:
                return frozenset()

    def is_param(self, atom: Atom) -> bool:
        return _role(atom) == "param"

    def has_param(self, expr: sp.Basic) -> bool:
        return any(self.is_param(a) for a in self.deep(expr))

    def latents_in(self, expr: sp.Basic) -> tuple[LatentAtom, ...]:
        """What an expression has of continuous latents, by their names."""
        found = [a for a in self.deep(expr) if is_latent(a)]
        return tuple(sorted(found, key=lambda a: (latent_name(a), self.text(a))))

    def has_latent(self, expr: sp.Basic) -> bool:
        """Whether a continuous latent is in an expression."""
        return any(is_latent(a) for a in self.deep(expr))

    def axes_of(self, expr: sp.Basic) -> frozenset[str]:
        """The free axes of an expression: those bound by sums are left out."""
        known = self._axes_of.get(expr)
        if known is not None:
            return known
        out: frozenset[str] = frozenset()
        if isinstance(expr, _PLAIN):
            for part in expr.args:
                out |= self.axes_of(part)
        else:
            for s in expr.free_symbols:
                out |= self.axes_of_atom(self.atom(s))
        self._axes_of[expr] = out
        return out

    def axes_of_atom(self, atom: Atom) -> frozenset[str]:
        match atom:
            case (
                Elem(idx=idx) | Pivot(idx=idx) | Seen(idx=idx) | Stat(idx=idx) | Coef(idx=idx)
                | Weight(idx=idx)
            ):  # fmt: skip
                return self._axes_of_ix(idx)
            case Centered(of=elem, offset=offset):
                return self.axes_of_atom(elem) | self.axes_of(offset)
            case Value(axis=axis):
                return frozenset({axis})
            case Ind(condition=c) | LogInd(condition=c):
                return self.axes_of(c)
            case LogDetOf(matrix=m):
                return self._axes_of_ix(m.batch)
            case InvOf(matrix=m, i=i, j=j):
                return self._axes_of_ix((*m.batch, i, j))
            case SumOf(axes=axes, body=body) | LogSumExp(axes=axes, body=body):
                return self.axes_of(body) - frozenset(axes)
            case _:
                return frozenset()

    def _axes_of_ix(self, idx: tuple[Ix, ...]) -> frozenset[str]:
        out: set[str] = set()
        for ix in idx:
            if isinstance(ix, str):
                out.add(ix)
            elif isinstance(ix, Elem):
                out |= self.axes_of_atom(ix)
        return frozenset(out)

    # -- renaming --

    def rename(self, expr: sp.Expr, names: Mapping[str, Ix]) -> sp.Expr:
        """The expression with its free axes renamed (or fixed at a place)."""
        if not names or not self.axes_of(expr) & names.keys():
            return expr
        return expr.xreplace(
            {s: self.symbol(self.rename_atom(self.atom(s), names)) for s in expr.free_symbols}
        )

    def rename_atom(self, atom: Atom, names: Mapping[str, Ix]) -> Atom:
        def ix(i: Ix) -> Ix:
            if isinstance(i, str):
                return names.get(i, i)
            if isinstance(i, Elem):
                renamed = self.rename_atom(i, names)
                assert isinstance(renamed, Elem)
                return renamed
            return i

        def ixs(idx: tuple[Ix, ...]) -> tuple[Ix, ...]:
            return tuple(ix(i) for i in idx)

        match atom:
            case Elem() | Pivot() | Seen() | Stat() | Coef() | Weight():
                return replace(atom, idx=ixs(atom.idx))
            case Centered(of=elem, offset=offset, through=through):
                new = self.rename_atom(elem, names)
                assert isinstance(new, Elem)
                return Centered(new, self.rename(offset, names), through)
            case Value(axis=axis):
                new_axis = names.get(axis, axis)
                if not isinstance(new_axis, str):
                    raise Bug(f"axis {axis} used as a number can't be fixed")
                return Value(new_axis)
            case Ind(condition=c):
                return Ind(self.rename(c, names))
            case LogInd(condition=c):
                return LogInd(self.rename(c, names))
            case LogDetOf(matrix=m):
                return LogDetOf(replace(m, batch=ixs(m.batch)))
            case InvOf(matrix=m, i=i, j=j):
                return InvOf(replace(m, batch=ixs(m.batch)), ix(i), ix(j))
            case SumOf(axes=axes, body=body) | LogSumExp(axes=axes, body=body):
                free = {k: v for k, v in names.items() if k not in axes}
                return replace(atom, body=self.rename(body, free))
            case _:
                return atom

    def sum(self, axes: tuple[str, ...], body: sp.Expr) -> sp.Expr:
        """The sum of a product over axes: what doesn't depend on them stands outside.

        A short axis with a test on it is summed place by place:  sum_z [z = 1] S[z]  ⇒  S[1].
        """
        if not axes or body == 0:
            return body
        for axis in axes:
            extent = self.axes[axis].extent
            if isinstance(extent, Fixed) and extent.value <= 16 and self._tests(body, axis):
                rest = tuple(a for a in axes if a != axis)
                return sp.Add(
                    *(self.sum(rest, self.at_place(body, axis, j)) for j in range(extent.value))
                )
        inside: list[sp.Expr] = []
        outside: list[sp.Expr] = []
        for factor in sp.Mul.make_args(body):
            (inside if self.axes_of(factor) & set(axes) else outside).append(factor)
        unused = [a for a in axes if not any(a in self.axes_of(f) for f in inside)]
        outside.extend(self.size_of(axis) for axis in unused)
        axes = tuple(a for a in axes if a not in unused)
        if not axes:
            return sp.Mul(*outside)
        return sp.Mul(*outside, self.symbol(self._canonical_sum(axes, sp.Mul(*inside))))

    def _canonical_sum(self, axes: tuple[str, ...], body: sp.Expr) -> SumOf:
        """The sum with its bound axes named by extent and rank, so that equal sums are equal."""
        rank = self._bound_ranks(body)
        best: tuple[str, tuple[str, ...], sp.Expr] | None = None
        for order in permutations(axes) if len(axes) <= 3 else (axes,):
            names: dict[str, Ix] = {}
            for i, axis in enumerate(order):
                extent = self.axes[axis].extent
                stem = extent.name.lower() if isinstance(extent, Size | Ragged) else f"i{extent}"
                name = f"{stem}~{rank + i + 1}"
                names[axis] = name
                if name not in self.axes:
                    self.add_axis(name, "event", extent)
            new = self.rename(body, names)
            found = (str(new), tuple(sorted(str(n) for n in names.values())), new)
            if best is None or found[:2] < best[:2]:
                best = found
        assert best is not None
        return SumOf(best[1], best[2])

    def _bound_ranks(self, body: sp.Expr) -> int:
        """The highest rank among bound axes inside, which an outer sum must not reuse."""
        return max(
            (int(a.rpartition("~")[2]) for atom in self.deep(body)
             if isinstance(atom, SumOf | LogSumExp) for a in atom.axes if "~" in a),
            default=0,
        )  # fmt: skip

    def latent_axes(self) -> tuple[str, ...]:
        """The axes of latents' values, in the order they were met."""
        return tuple(a for a, info in self.axes.items() if info.role == "latent")

    def size_of(self, axis: str) -> sp.Expr:
        """An axis's size as a number."""
        extent = self.axes[axis].extent
        if isinstance(extent, Fixed):
            return sp.Integer(extent.value)
        return self.symbol(SizeOf(extent))

    def _tests(self, body: sp.Expr, axis: str) -> bool:
        """Whether a product has an indicator on, or the number of, an axis."""
        return any(
            isinstance(atom, Ind | Value) and self.axes_of_atom(atom) == {axis}
            for atom in self.atoms_of(body)
        )

    def at_place(self, expr: sp.Expr, axis: str, place: int) -> sp.Expr:
        """The expression with an axis fixed at a place, tests on it decided."""
        new: dict[sp.Basic, sp.Basic] = {}
        for symbol in expr.free_symbols:
            atom = self.atom(symbol)
            if axis not in self.axes_of_atom(atom):
                continue
            match atom:
                case Value():
                    new[symbol] = sp.Integer(place)
                case Ind(condition=c):
                    decided = self.at_place(c, axis, place)
                    new[symbol] = (
                        sp.Integer(int(decided == sp.true))
                        if decided in (sp.true, sp.false)
                        else self.symbol(Ind(decided))
                    )
                case LogInd(condition=c):
                    decided = self.at_place(c, axis, place)
                    new[symbol] = self.symbol(LogInd(decided))
                case _:
                    new[symbol] = self.symbol(self.rename_atom(atom, {axis: place}))
        return expr.xreplace(new)

    # -- for people --

    def text(self, atom: Atom) -> str:
        def ixs(idx: tuple[Ix, ...]) -> str:
            return ", ".join(
                self.text(i) if isinstance(i, Elem) else str(i) for i in idx if i != self.single
            )

        match atom:
            case Elem(name=name, via="#"):
                return name
            case Elem(idx=(_, *idx), via="."):
                return self.text(replace(atom, idx=(*idx,), via=""))
            case Elem(name=name, idx=(_, *idx), via=via) if via:
                return f"{name}[{', '.join([via, *([ixs(tuple(idx))] if idx else [])])}]"
            case (
                Elem(name=name, idx=idx) | Stat(name=name, idx=idx) | Coef(name=name, idx=idx)
                | Weight(name=name, idx=idx)
            ):  # fmt: skip
                return f"{name}[{ixs(idx)}]" if ixs(idx) else name
            case Centered(of=elem, through=through):
                name = f"{elem.name}~[{ixs(elem.idx)}]" if elem.idx else f"{elem.name}~"
                return f"log_{name}" if through else name
            case Pivot(name=name, idx=idx):
                return f"{name}0[{ixs(idx)}]" if idx else f"{name}0"
            case Seen(name=name, idx=idx):
                return f"seen({name}[{ixs(idx)}])"
            case Value(axis=axis):
                return axis
            case SizeOf(extent=extent):
                return str(extent)
            case Ind(condition=c):
                return f"[{c}]"
            case LogInd(condition=c):
                return f"log [{c}]"
            case LogDetOf(matrix=m):
                return f"logdet({self.text(_entry(m))})"
            case InvOf(matrix=m, i=i, j=j):
                return f"inv({m.name}){self.text(_entry(m, i, j)).removeprefix(m.name)}"
            case SumOf(axes=axes, body=body) | LogSumExp(axes=axes, body=body):
                word = "sum" if isinstance(atom, SumOf) else "logsumexp"
                return f"{word}_{{{', '.join(axes)}}} ({body})"


LatentAtom = Elem | LogDetOf | InvOf


def is_latent(atom: Atom) -> TypeGuard[LatentAtom]:
    """Whether it is of a continuous latent: an entry, one of its inverse, or its log det."""
    return _role(atom) == "latent"


def _role(atom: Atom) -> str | None:
    """The role of the array that an atom is of: an entry, one of its inverse, or its log det."""
    match atom:
        case Elem(role=role) | LogDetOf(matrix=Matrix(role=role)):
            return role
        case InvOf(matrix=Matrix(role=role)):
            return role
        case _:
            return None


def latent_name(atom: LatentAtom) -> str:
    """The latent that an atom is of."""
    return atom.name if isinstance(atom, Elem) else atom.matrix.name


def _entry(m: Matrix, *at: Ix) -> Elem:
    """A matrix's entry, or with no place the matrix itself, as an array's is."""
    return Elem(m.role, m.name, (*m.batch, *at), "posdef", m.via)


def _ordered(atom: Atom) -> Atom:
    """A symmetric entry with its two indices in order: P[e, d] is P[d, e], [b = a] is [a = b]."""
    match atom:
        case Stat(symmetric=True, idx=(*batch, i, j)) if str(i) > str(j):
            return replace(atom, idx=(*batch, j, i))
        case Ind(condition=sp.Eq() as c) if str(c.lhs) > str(c.rhs) and c.rhs.is_Symbol:
            return Ind(sp.Eq(c.rhs, c.lhs))
        case InvOf(i=i, j=j) if str(i) > str(j):
            return replace(atom, i=j, j=i)
        case Elem(kind="posdef", idx=(*batch, i, j)) if str(i) > str(j):
            return replace(atom, idx=(*batch, j, i))
        case _:
            return atom


def _assumptions(atom: Atom) -> dict[str, bool]:
    match atom:
        case Elem(kind=kind):
            if kind in ("positive", "unit", "simplex", "shape"):
                return {"positive": True}
            if kind == "index" and atom.via != "#":
                return {"real": True}  # -1 where it points to nothing
            if kind in ("count", "bool", "category", "index"):
                # Not integer: of an integer SymPy turns loggamma(x + 1) into log(gamma(x + 1)).
                return {"nonnegative": True}
            return {"real": True}
        case SizeOf():
            return {"positive": True}
        case Value():
            return {"nonnegative": True}
        case Seen() | Ind() | Stat(nonnegative=True) | Weight():
            return {"nonnegative": True}
        case SumOf(body=body):
            if body.is_nonnegative:
                return {"nonnegative": True}
            return {"nonpositive": True} if body.is_nonpositive else {"real": True}
        case _:
            return {"real": True}
