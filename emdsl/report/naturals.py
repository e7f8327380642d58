"""What functions of latents are multiplied by in the log joint, as formulas: natural parameters.

b[n,l] = Σ_d loading[d,l] (x[n,d] - bias[d]) / noise[d]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sympy as sp

from emdsl.derive.atoms import Ind, Ix, Seen, SumOf, Value
from emdsl.derive.levels import Link
from emdsl.derive.statistics import Term
from emdsl.derive.table import Atoms
from emdsl.inference.plan import Cluster
from emdsl.model.graph import Fixed
from emdsl.report.pointing import pointing
from emdsl.report.printer import PRODUCT, Printer
from emdsl.report.tidy import canonical, least, plain_logs


@dataclass(frozen=True)
class Summand:
    """A product that is summed over `bound` axes."""

    bound: frozenset[str]
    expr: sp.Expr

    def times(self, number: sp.Expr) -> Summand:
        return Summand(self.bound, number * self.expr)

    def renamed(self, names: Mapping[str, Ix], atoms: Atoms) -> Summand:
        """At other places than its moment's own axes."""
        return Summand(self.bound, atoms.rename(self.expr, names))


def summands(cluster: Cluster, atoms: Atoms) -> list[Summand]:
    """A cluster's terms for one row, at the axes of its latents and of its moment."""
    return [summand(t, cluster.states, atoms) for t in cluster.terms]


def summand(term: Term, kept: Iterable[str], atoms: Atoms) -> Summand:
    """A term of one row's log joint, its latents' functions left out: a function of `kept`."""
    s = term.statistic
    assert s is not None
    names: dict[str, Ix] = dict(zip(term.places, s.axes, strict=True))
    expr = atoms.rename(term.number * term.factor * term.basis, names) * s.feature.expr
    bound = {str(names.get(a, a)) for a in term.axes} | {*s.feature.axes, *s.feature.sums}
    return _met(frozenset(bound - {*kept}), expr, atoms)


def _met(bound: frozenset[str], expr: sp.Expr, atoms: Atoms) -> Summand:
    """Σ_d [d = e] f(d)  ⇒  f(e)"""
    for factor in sp.Mul.make_args(expr):
        atom = atoms.atom(factor) if isinstance(factor, sp.Symbol) else None
        if not (isinstance(atom, Ind) and isinstance(atom.condition, sp.Eq)):
            continue
        sides = [atoms.atom(x) if isinstance(x, sp.Symbol) else None for x in atom.condition.args]
        axes = [a.axis for a in sides if isinstance(a, Value)]
        if len(axes) != 2 or not bound & {*axes}:
            continue
        gone = axes[0] if axes[0] in bound else axes[1]
        (stays,) = {*axes} - {gone}
        rest = atoms.rename(expr / factor, {gone: stays})
        return _met(bound - {gone}, rest, atoms)
    return Summand(bound, expr)


def added(parts: Iterable[Summand], atoms: Atoms) -> sp.Expr:
    """Summands as one expression: those over alike axes under one sum, common factors outside."""
    groups: dict[tuple[str, ...], list[sp.Expr]] = {}
    for part in parts:
        axes = tuple(sorted(part.bound))
        expr = plain_logs(part.expr)
        if axes and not any(isinstance(a, SumOf) for a in atoms.deep(expr)):
            names, axes = _ranked(axes, atoms)
            axes, expr = least(atoms.rename(expr, names), axes, atoms, frozenset())
        groups.setdefault(axes, []).append(canonical(expr, atoms, frozenset()))
    totals = [
        part for axes, found in groups.items()
        for part in sp.Add.make_args(
            atoms.sum(axes, sp.factor_terms(sp.Add(*found)) if axes else sp.Add(*found)))
    ]  # fmt: skip
    return _by_conditions(sp.Add(*totals), atoms)


def _by_conditions(expr: sp.Expr, atoms: Atoms) -> sp.Expr:
    """[x seen] a + [x seen] b + c  ⇒  [x seen] (a + b) + c, squares completed."""

    def data_first(power: sp.Pow) -> sp.Expr:
        """(m - x)^2  ⇒  (x - m)^2"""
        free = [x for x in power.base.args if not atoms.has_param(x)]
        turned = bool(free) and all(x.as_coeff_Mul()[0].is_negative for x in free)
        return (-power.base) ** power.exp if turned else power

    groups: dict[frozenset[sp.Expr], list[sp.Expr]] = {}
    for part in sp.Add.make_args(expr):
        conditions = frozenset(
            f for f in sp.Mul.make_args(part)
            if isinstance(f, sp.Symbol) and isinstance(atoms.atom(f), Seen | Ind)
        )  # fmt: skip
        groups.setdefault(conditions, []).append(part)
    return sp.Add(*(_factored(sp.Add(*parts)) for parts in groups.values())).replace(
        lambda e: e.is_Pow and isinstance(e.base, sp.Add) and e.exp.is_even, data_first
    )


def _factored(expr: sp.Expr) -> sp.Expr:
    plain = sp.factor_terms(expr)
    if not isinstance(expr, sp.Add) or len(expr.args) > 6:
        return plain
    square = sp.factor(expr)
    return min(plain, square, key=sp.count_ops)


def _is_negative(expr: sp.Expr) -> bool:
    return all(x.as_coeff_Mul()[0].is_negative for x in sp.Add.make_args(expr))


def _ranked(axes: tuple[str, ...], atoms: Atoms) -> tuple[dict[str, Ix], tuple[str, ...]]:
    """Names for bound axes by extent and rank, as sums have them."""
    names: dict[str, Ix] = {}
    for axis in axes:
        extent = atoms.axes[axis].extent
        stem = f"i{extent}" if isinstance(extent, Fixed) else extent.name.lower()
        rank = 1
        while (name := f"{stem}~{rank}") in names.values():
            rank += 1
        names[axis] = name
        if name not in atoms.axes:
            atoms.add_axis(name, "event", atoms.axes[axis].extent)
    return names, tuple(str(names[a]) for a in axes)


@dataclass(frozen=True)
class Natural:
    """A natural parameter: what a row says itself, and what rows that point to it say.

    `others` are by the axis of those rows.
    """

    own: tuple[Summand, ...]
    others: Mapping[str, tuple[Summand, ...]]

    def depends_on(self, axis: str, atoms: Atoms) -> bool:
        return any(
            axis in atoms.axes_of(x.expr) for part in (self.own, *self.others.values())
            for x in part
        )  # fmt: skip

    @property
    def is_nothing(self) -> bool:
        return not self.own and not self.others

    def moves(self, plate: str, atoms: Atoms) -> bool:
        """Whether it differs from row to row."""
        return bool(self.others) or self.depends_on(plate, atoms)

    def show(self, p: Printer, links: Mapping[str, Link]) -> str:
        """The formula; `links` are from the rows that point here, by their axis."""
        atoms = p.joint.atoms
        own = added(self.own, atoms)
        out = str(p.show(own)) if own != 0 or not self.others else ""
        for plate, parts in self.others.items():
            there = Printer(p.style, p.joint, elements=True, level=links[plate].source)
            there.names = p.names
            expr = added(parts, atoms)
            negative = _is_negative(expr)
            body = pointing(there, p, links[plate]) + there.show(
                -expr if negative else expr, PRODUCT
            )
            if out:
                out += f" {p.style.minus if negative else '+'} {body}"
            else:
                out = p.style.minus + body if negative else body
        return out


def natural(parts: Iterable[tuple[str, Summand]], first: Iterable[Summand] = ()) -> Natural:
    """A natural parameter of summands with the rows they are of ("" its own)."""
    own, others = [*first], dict[str, list[Summand]]()
    for source, part in parts:
        if source:
            others.setdefault(source, []).append(part)
        else:
            own.append(part)
    return Natural(tuple(own), {k: tuple(v) for k, v in others.items()})


__all__ = ["Natural", "Summand", "added", "natural", "summand", "summands"]
