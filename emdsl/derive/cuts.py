"""Continuous latents cut by data: where, in each row, what is seen leaves them possible.

    y[n] = [z[n] > 0]   ⇒   z > 0 in rows with y = 1,  z <= 0 in rows with y = 0

Thresholds part the line into stretches, in each of which every comparison of the latent is decided.
What is left of the condition there has only data in it, and says in which rows the stretch is
possible.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

import sympy as sp

from emdsl.derive.atoms import Elem, Ind, LogInd
from emdsl.derive.moments import written
from emdsl.derive.refusal import Refused
from emdsl.derive.table import Atoms
from emdsl.model.graph import Model
from emdsl.source import Span

_MOST = 64  # stretches of one latent


@dataclass(frozen=True)
class Stretch:
    """The latent is above all of `lower` and below all of `upper`, in rows where `condition` holds.

    Neither has the latent in it. No bounds on a side: it has no end there.
    """

    condition: sp.Basic
    lower: tuple[sp.Expr, ...]
    upper: tuple[sp.Expr, ...]


@dataclass(frozen=True)
class Cut:
    """A latent's entry with where it is possible: in any of the stretches."""

    latent: Elem
    stretches: tuple[Stretch, ...]
    plate: str
    span: Span

    def at(self, axes: tuple[str, ...], atoms: Atoms) -> Cut:
        """The same with these for the entry's own axes."""
        own = tuple(map(str, self.latent.idx[1:]))
        if own == axes:
            return self
        names = dict(zip(own, axes, strict=True))
        moved = atoms.rename_atom(self.latent, names)
        assert isinstance(moved, Elem)
        stretches = tuple(
            Stretch(
                atoms.rename(s.condition, names),
                *(tuple(atoms.rename(e, names) for e in side) for side in (s.lower, s.upper)),
            )
            for s in self.stretches
        )
        return replace(self, latent=moved, stretches=stretches)

    def axes_of(self, atoms: Atoms) -> frozenset[str]:
        """Every axis of the bounds and of what they depend on."""
        found = (
            atoms.axes_of(e) for s in self.stretches for e in (s.condition, *s.lower, *s.upper)
        )
        return frozenset().union(*found)


@dataclass(frozen=True)
class Possible:
    """That a latent is possible only where a condition of it and of data holds, in each row."""

    latent: Elem
    condition: sp.Basic
    axes: frozenset[str]
    plate: str
    span: Span


def possible_of(
    factor: sp.Expr, axes: frozenset[str], plate: str, atoms: Atoms, span: Span
) -> Possible | None:
    """What log [condition] says of the one latent in it; None where it is no such thing.

    Raises Refused where it is about several latents, or moves with a parameter.
    """
    atom = atoms.atom(factor) if isinstance(factor, sp.Symbol) else None
    if not isinstance(atom, LogInd):
        return None
    found = [a for a in atoms.latents_in(atom.condition) if isinstance(a, Elem)]
    if not found:
        return None
    first = found[0]
    if len(found) > 1:
        names = " and ".join(sorted(f"`{atoms.text(a)}`" for a in found))
        raise _unknown(
            f"{bound_in(factor, atoms)} ties {names}: normals that are cut off by each other have "
            "no closed integral",
            span,
        )
    return Possible(first, atom.condition, axes, plate, span)


def cuts_of(
    found: tuple[Possible, ...], model: Model, levels: Mapping[str, str], atoms: Atoms
) -> tuple[Cut, ...]:
    """Each latent with all that data say of where it is possible.

    levels : the axis of each latent's own rows.

    Raises Refused where the bounds have no form here.
    """
    by_name: dict[str, list[Possible]] = {}
    for p in found:
        by_name.setdefault(p.latent.name, []).append(p)
    out: list[Cut] = []
    for name, own in by_name.items():
        first = own[0]
        conditions: list[sp.Basic] = []
        for p in own:
            if p.latent.via or p.plate != levels[name]:
                raise _unknown(
                    f"rows other than its own put bounds on `{name}`: a latent can be cut by data "
                    "of its own row only",
                    p.span,
                )
            names = dict(zip(map(str, p.latent.idx[1:]), first.latent.idx[1:], strict=True))
            extra = p.axes - {p.plate, *names} - {*atoms.latent_axes()}
            if extra:
                raise _unknown(
                    f"several data of one row put bounds on `{name}`, each by "
                    f"{bound_in(atoms.symbol(LogInd(p.condition)), atoms)}",
                    p.span,
                )
            conditions.append(atoms.rename(p.condition, names))
        condition = sp.And(*conditions)
        if model.variable(name).type.kind in ("positive", "unit"):
            condition = sp.And(condition, sp.Gt(atoms.symbol(first.latent), 0, evaluate=False))
        stretches = _Solver(first.latent, model, atoms, first.span).stretches(condition)
        out.append(Cut(first.latent, stretches, first.plate, first.span))
    return tuple(out)


def _unknown(why: str, span: Span) -> Refused:
    return Refused("no-posterior", why, span)


@dataclass
class _Solver:
    """Finds the stretches of one latent."""

    latent: Elem
    model: Model
    atoms: Atoms
    span: Span

    @property
    def symbol(self) -> sp.Symbol:
        return self.atoms.symbol(self.latent)

    def stretches(self, condition: sp.Basic) -> tuple[Stretch, ...]:
        thresholds = list(
            dict.fromkeys(t for t, _ in map(self._solved, _tests(condition, self.atoms)))
        )
        numbers = sorted(t for t in thresholds if t.is_number)
        others = [t for t in thresholds if not t.is_number]
        if (len(numbers) + 1) << len(others) > _MOST:
            raise _unknown(
                f"`{self.latent.name}` is compared with {len(thresholds)} things: more than "
                f"{_MOST} stretches of it to keep apart",
                self.span,
            )
        out: list[Stretch] = []
        for sides in product((False, True), repeat=len(others)):
            above = dict(zip(others, sides, strict=True))
            lows = tuple(t for t in others if above[t])
            highs = tuple(t for t in others if not above[t])
            before: tuple[sp.Basic, int] | None = None
            for i in range(len(numbers) + 1):
                above |= {t: j < i for j, t in enumerate(numbers)}
                left = _truth(self._decided(condition, above))
                low = numbers[i - 1 : i] if i else []
                high = numbers[i : i + 1]
                if left == sp.false:
                    before = None
                    continue
                if before is not None and before[0] == left:  # the two are one
                    low = numbers[before[1] - 1 : before[1]] if before[1] else []
                    out.pop()
                else:
                    before = left, i
                out.append(Stretch(left, (*low, *lows), (*high, *highs)))
        return tuple(out)

    def _has_latent(self, tree: sp.Basic) -> bool:
        return self.latent in self.atoms.deep(tree)

    def _solved(self, test: sp.Basic) -> tuple[sp.Expr, bool]:
        """The threshold of a comparison, and whether it says that the latent is above it."""
        difference = sp.expand(test.lhs - test.rhs)
        slope = difference.coeff(self.symbol, 1)
        rest = difference - slope * self.symbol
        if not slope.is_number or slope == 0 or self._has_latent(rest):
            raise self._no_form(test)
        rising = isinstance(test, sp.Gt | sp.Ge)
        if not rising and not isinstance(test, sp.Lt | sp.Le):
            raise _unknown(
                f"{written(test, self.atoms)} compares `{self.latent.name}` for being equal, which "
                "a continuous latent is with probability zero",
                self.span,
            )
        return self._known(-rest / slope), rising == bool(slope > 0)

    def _known(self, threshold: sp.Expr) -> sp.Expr:
        """The threshold with the entries of consts that the file gives as numbers."""
        new: dict[sp.Symbol, sp.Expr] = {}
        for symbol in threshold.free_symbols:
            atom = self.atoms.atom(symbol)
            if isinstance(atom, Elem) and atom.role == "const":
                value: object = self.model.const(atom.name).value
                for ix in atom.idx:
                    value = (
                        value[ix]
                        if isinstance(value, tuple | list) and isinstance(ix, int)
                        else None
                    )
                if isinstance(value, int | float):
                    new[symbol] = sp.Rational(repr(value))
        return threshold.xreplace(new)

    def _decided(self, tree: sp.Basic, above: Mapping[sp.Expr, bool]) -> sp.Basic:
        """A condition (or number) with each comparison of the latent put in as true or false."""
        if not self._has_latent(tree):
            return tree
        if isinstance(tree, sp.Symbol):
            atom = self.atoms.atom(tree)
            assert isinstance(atom, Ind)
            return self._number(_truth(self._decided(atom.condition, above)))
        if isinstance(tree, sp.core.relational.Relational):
            if _is_plain(tree, self.atoms):
                threshold, rising = self._solved(tree)
                return sp.true if above[threshold] == rising else sp.false
            return tree.func(*(self._number(self._decided(a, above)) for a in tree.args))
        return tree.func(*(self._decided(a, above) for a in tree.args))

    def _number(self, value: sp.Basic) -> sp.Basic:
        """A condition as 1 or 0."""
        if value in (sp.true, sp.false):
            return sp.Integer(int(value == sp.true))
        return self.atoms.symbol(Ind(value)) if _is_test(value) else value

    def _no_form(self, tree: sp.Basic) -> Refused:
        return _unknown(
            f"the bounds of `{self.latent.name}` can't be read off {written(tree, self.atoms)}: it "
            "is to be compared with numbers, inputs or consts",
            self.span,
        )


def _tests(tree: sp.Basic, atoms: Atoms) -> Iterator[sp.Basic]:
    """The comparisons of continuous latents in a condition, those inside indicators too."""
    if not atoms.has_latent(tree):
        return
    if isinstance(tree, sp.Symbol):
        atom = atoms.atom(tree)
        if isinstance(atom, Ind | LogInd):
            yield from _tests(atom.condition, atoms)
    elif isinstance(tree, sp.core.relational.Relational) and _is_plain(tree, atoms):
        yield tree
    else:
        for a in sorted(tree.args, key=str):
            yield from _tests(a, atoms)


def _is_plain(test: sp.Basic, atoms: Atoms) -> bool:
    """Whether values are compared, not the truth of other comparisons."""
    inner = [a for s in test.free_symbols if isinstance(a := atoms.atom(s), Ind)]
    inside = any(atoms.has_latent(a.condition) for a in inner)
    return not inside and not any(_is_test(a) for a in test.args)


def _is_test(value: sp.Basic) -> bool:
    return isinstance(value, sp.logic.boolalg.Boolean) and not value.is_Symbol


def bound_in(expr: sp.Expr, atoms: Atoms) -> str | None:
    """The first comparison of a continuous latent that decides what is possible, if one does."""
    found = sorted((a for a in atoms.deep(expr) if isinstance(a, LogInd)), key=atoms.text)
    tests = [t for a in found for t in _tests(a.condition, atoms)]
    return written(tests[0], atoms) if tests else None


def _truth(value: sp.Basic) -> sp.Basic:
    return value if _is_test(value) else sp.Ne(value, 0)
