"""What constraints mean for the blocks of the M-step, before any is solved.

param a, b tied as wholes      one block: b's terms are a's, and b is a copy of a
real params in one equation    one joint system
anything else                  a block that is solved for what its constraints leave
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import sympy as sp

from emdsl.derive.atoms import Atom, Elem, Ind, InvOf, LogDetOf, LogInd, LogSumExp, SumOf
from emdsl.derive.live import Live
from emdsl.derive.statistics import Derived, Term
from emdsl.derive.table import Atoms
from emdsl.model.graph import Constraint, Model


@dataclass(frozen=True)
class Restriction:
    """The kinds of constraint on one block, and how they are written."""

    fixed: bool = False
    tied: bool = False
    linear: bool = False
    bounded: bool = False
    within: bool = False  # whether one is about entries of a value, of matrices
    texts: tuple[str, ...] = ()

    @property
    def apart(self) -> bool:
        """Whether entries can still be solved one by one."""
        return not (self.tied or self.linear)


@dataclass(frozen=True)
class Restrictions:
    """`leader`: of params that equal an earlier one, that; `links`: solved in one system."""

    of: Mapping[str, Restriction] = field(default_factory=dict)
    leader: Mapping[str, str] = field(default_factory=dict)
    links: tuple[frozenset[str], ...] = ()

    def copies(self, name: str) -> tuple[tuple[str, str], ...]:
        """The params that equal this one, each with it."""
        return tuple((n, first) for n, first in self.leader.items() if first == name)

    def linked(self, name: str) -> frozenset[str]:
        """The params in one equation with this one."""
        return frozenset().union(*(group for group in self.links if name in group)) - {name}


def restrictions_of(model: Model, pivots: Iterable[str]) -> Restrictions:
    """The constraints of a model, by what its blocks have to do about them."""
    leader: dict[str, str] = {}
    links: list[frozenset[str]] = []
    about = set(pivots)
    order = [p.name for p in model.params]

    def first(name: str) -> str:
        while name in leader:
            name = leader[name]
        return name

    for c in model.constraints:
        names = {t.name for t in c.terms}
        if len(names) < 2:
            continue
        whole = c.kind == "tie" and not any(t.index for t in c.terms)
        if whole and not names & about:  # those with pivots are solved about different ones
            one, *others = sorted({first(n) for n in names}, key=order.index)
            leader |= dict.fromkeys(others, one)
        else:
            links.append(frozenset(names))
    leader = {name: first(name) for name in leader}
    links = [frozenset(leader.get(n, n) for n in group) for group in links]
    of: dict[str, Restriction] = {}
    for c in model.constraints:
        for name in {leader.get(t.name, t.name) for t in c.terms}:
            names = {leader.get(t.name, t.name) for t in c.terms}
            inner = any(len(t.index) > len(model.param(t.name).batch) for t in c.terms)
            inner = inner or c.kind != "tie"
            of[name] = _with(of.get(name, Restriction()), c, len(names) > 1, inner)
    return Restrictions(of, leader, tuple(links))


def _with(old: Restriction, c: Constraint, across: bool, inner: bool) -> Restriction:
    """`across`: whether the constraint is about several blocks; `inner`: about entries."""
    within = c.kind == "tie" and c.terms[0].name == c.terms[1].name
    return Restriction(
        old.fixed or c.kind == "fixed",
        old.tied or within,
        old.linear or c.kind == "linear" or across,
        old.bounded or c.kind == "bound",
        old.within or inner,
        tuple(dict.fromkeys((*old.texts, c.text))),
    )


def as_one(derived: Derived, leader: Mapping[str, str]) -> Derived:
    """The terms with each param that equals an earlier one written as that."""
    if not leader:
        return derived
    atoms = derived.joint.atoms

    def term(t: Term) -> Term:
        statistic = t.statistic
        if statistic is not None and statistic.feature.params:
            feature = replace(
                statistic.feature,
                expr=_renamed(statistic.feature.expr, leader, atoms),
                params=_names(statistic.feature.params, leader),
            )
            statistic = replace(statistic, feature=feature)
        factor, basis = _renamed(t.factor, leader, atoms), _renamed(t.basis, leader, atoms)
        return replace(t, factor=factor, basis=basis, statistic=statistic)

    def live(x: Live) -> Live:
        return replace(
            x,
            expr=_renamed(x.expr, leader, atoms),
            moving=_renamed(x.moving, leader, atoms),
            still=_renamed(x.still, leader, atoms),
            basis=_renamed(x.basis, leader, atoms),
            params=_names(x.params, leader),
        )

    return replace(
        derived,
        terms=tuple(map(term, derived.terms)),
        priors=tuple(map(term, derived.priors)),
        live=tuple(map(live, derived.live)),
        live_terms=tuple(map(term, derived.live_terms)),
    )


def _names(names: tuple[str, ...], leader: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted({leader.get(n, n) for n in names}))


def _renamed(expr: sp.Expr, leader: Mapping[str, str], atoms: Atoms) -> sp.Expr:
    return expr.xreplace(
        {s: atoms.symbol(_atom(atoms.atom(s), leader, atoms)) for s in expr.free_symbols}
    )


def _atom(atom: Atom, leader: Mapping[str, str], atoms: Atoms) -> Atom:
    match atom:
        case Elem(role="param", name=name):
            return replace(atom, name=leader.get(name, name))
        case LogDetOf(matrix=m) | InvOf(matrix=m) if m.role == "param":
            return replace(atom, matrix=replace(m, name=leader.get(m.name, m.name)))
        case SumOf(body=body) | LogSumExp(body=body):
            return replace(atom, body=_renamed(body, leader, atoms))
        case Ind(condition=c):
            return Ind(_renamed(c, leader, atoms))
        case LogInd(condition=c):
            return LogInd(_renamed(c, leader, atoms))
        case _:
            return atom
