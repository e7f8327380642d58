"""The E-step of each piece as an elimination: which latent is summed out when, with what terms.

    log evidence = log sum over latents of exp(sum of log factors)

Each latent in turn is summed out of the factors it is in; what is left is a message over the other
latents of those factors, a factor itself. Backward, each message's derivative is the posterior of
what it stands for.

Where latents are seen from other rows than their own, the terms of each level of rows are grouped
by the latents they depend on, and a schedule says which groups are taken together, and when.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import sympy as sp

from emdsl.derive.atoms import Ind
from emdsl.derive.levels import Level
from emdsl.derive.live import Live
from emdsl.derive.statistics import Derived, Feature, Given, Statistic, Term
from emdsl.derive.table import Atoms
from emdsl.diagnostics import Bug
from emdsl.inference.match import Match
from emdsl.inference.schedule import Factor, Schedule, Stuck, Walk, schedule
from emdsl.model.graph import Extent, Fixed

CONSTANT = Feature("n", sp.Integer(1), (), (), False, None, True)


@dataclass(frozen=True)
class Cluster:
    """One elimination: `latents[0]` is summed out; the message is over the rest.

    `children` are earlier clusters whose messages come in; `parent` takes this one's message.
    A cluster of coupled rows is only a group of terms: the schedule says what is summed out. Its
    log potentials are a table for each distinct row of features where `shared`.
    """

    latents: tuple[str, ...]
    terms: tuple[Term, ...]
    given: tuple[Given, ...]
    features: tuple[Feature, ...]
    children: tuple[int, ...] = ()
    parent: int | None = None
    shared: bool = False
    live: tuple[Live, ...] = ()


@dataclass(frozen=True)
class PiecePlan:
    """How one level's rows are handled: direct sums, then the clusters in order.

    `plate` is the axis of the rows.
    """

    match: Match
    level: Level
    latents: tuple[str, ...]  # axes, in the order of the file
    direct: tuple[Term, ...]
    direct_given: tuple[Given, ...]
    direct_features: tuple[Feature, ...]
    clusters: tuple[Cluster, ...]
    statistics: tuple[Statistic, ...]
    direct_live: tuple[Live, ...] = ()

    @property
    def is_live(self) -> bool:
        """Whether any term is evaluated anew at each value of the parameters."""
        return bool(self.direct_live) or any(c.live for c in self.clusters)

    @property
    def plate(self) -> str:
        return self.level.axis

    @property
    def label(self) -> str:
        return self.level.label

    def cluster_of(self, statistic: Statistic) -> int:
        """The cluster that has a statistic's terms."""
        return next(
            i for i, c in enumerate(self.clusters) if any(t.statistic == statistic for t in c.terms)
        )


@dataclass(frozen=True)
class Structure:
    """Coupled levels: `pieces` are their numbers in the plan, one after the other.

    The schedule's first factors are the pieces' clusters, in order.
    """

    match: Match
    pieces: tuple[int, ...]
    schedule: Schedule
    clusters: tuple[tuple[int, int], ...]  # of each given factor: its piece and cluster


@dataclass(frozen=True)
class Plan:
    """The plans of the levels, and of what couples some of them."""

    derived: Derived
    pieces: tuple[PiecePlan, ...]
    structures: tuple[Structure, ...] = ()


def plan_of(derived: Derived, matches: tuple[Match, ...]) -> Plan:
    """Plan every piece's E-step."""
    pieces: list[PiecePlan] = []
    structures: list[Structure] = []
    for match in matches:
        if match.coupled:
            first = len(pieces)
            pieces += [_rows(derived, match, level) for level in match.piece.levels]
            structure, pieces[first:] = _structure(derived, match, first, pieces[first:])
            structures.append(structure)
        else:
            pieces.append(_piece(derived, match))
    return Plan(derived, tuple(pieces), tuple(structures))


def _rows(derived: Derived, match: Match, level: Level) -> PiecePlan:
    """The terms of one level of coupled rows, grouped by the latents they depend on."""
    joint = derived.joint
    terms = [t for t in derived.terms if t.statistic and t.statistic.plate == level.axis]
    given = [g for g in derived.given if g.plate == level.axis]
    live = [x for x in derived.live if x.plate == level.axis]
    where = {id(x): scope for x, scope in _whole_nodes(terms, live, joint.atoms)}
    every = [where[id(x)] for x in (*terms, *live)] + [g.scope for g in given]
    scopes = dict.fromkeys(scope for scope in every if scope)
    own = tuple(n for n in match.summed if joint.levels.of(joint.model.variable(n)) == level)
    for name in own:  # a latent that no term depends on is summed over nonetheless
        scopes.setdefault((joint.levels.axes[name],))
    groups = []
    for scope in scopes:
        mine = tuple(t for t in terms if where[id(t)] == scope)
        groups.append(
            Cluster(
                scope,
                mine,
                tuple(g for g in given if g.scope == scope),
                _features(mine),
                live=tuple(x for x in live if where[id(x)] == scope),
            )
        )
    direct = tuple(t for t in terms if t.statistic and not t.statistic.scope)
    return PiecePlan(
        match,
        level,
        tuple(joint.levels.axes[n] for n in own),
        direct,
        tuple(g for g in given if not g.scope),
        _features(direct),
        tuple(groups),
        tuple(s for s in derived.statistics if s.plate == level.axis),
        tuple(x for x in live if not x.scope),
    )


def _whole_nodes(
    terms: list[Term], live: list[Live], atoms: Atoms
) -> list[tuple[Term | Live, tuple[str, ...]]]:
    """The latents of the group that each term is in: its own, or all of its node's.

    y eta - log(1 + e^eta) is a log probability, its parts are numbers of any size: in tables of
    their own one would overflow and the other vanish. So what a node with live terms has on some
    of its latents goes where it has more on them and others, in the same rows: a chain's start and
    its steps are two log probabilities.
    """
    out: list[tuple[Term | Live, tuple[str, ...]]] = []
    items: list[Term | Live] = [*terms, *live]
    tests = {id(x): _tests(x, atoms) for x in items}
    for item in items:
        scope = _scope_of(item)
        if scope:
            mates = [
                x for x in items
                if x.node == item.node and sp.And(*tests[id(item)], *tests[id(x)]) != sp.false
            ]  # fmt: skip
            if any(isinstance(x, Live) for x in mates):
                wider = (_scope_of(x) for x in mates)
                scope = max((s for s in wider if set(scope) <= set(s)), key=len)
        out.append((item, scope))
    return out


def _tests(item: Term | Live, atoms: Atoms) -> list[sp.Basic]:
    """What must hold of a row for the term to be there."""
    if isinstance(item, Live):
        expr = item.expr
    else:
        assert item.statistic is not None
        expr = item.statistic.feature.expr
    found = (atoms.atom(f) for f in sp.Mul.make_args(expr) if isinstance(f, sp.Symbol))
    return [a.condition for a in found if isinstance(a, Ind)]


def _scope_of(item: Term | Live) -> tuple[str, ...]:
    if isinstance(item, Live):
        return item.scope
    assert item.statistic is not None
    return item.statistic.scope


def _structure(
    derived: Derived, match: Match, first: int, pieces: list[PiecePlan]
) -> tuple[Structure, list[PiecePlan]]:
    """Order the elimination of coupled rows; groups that a walk pairs are tables where they can."""
    levels = derived.joint.levels
    clusters = [(first + i, j) for i, p in enumerate(pieces) for j in range(len(p.clusters))]
    factors = [Factor(pieces[i - first].level, pieces[i - first].clusters[j].latents)
               for i, j in clusters]  # fmt: skip
    order = schedule(factors, levels)
    if isinstance(order, Stuck):
        raise Bug("the terms can't be eliminated in the order that their nodes can")
    atoms = derived.joint.atoms
    for axis, name in levels.of_axis.items():
        if axis not in atoms.axes:
            atoms.add_axis(axis, "latent", atoms.axes[levels.axes[name]].extent)

    def is_live(factor: int) -> bool:
        piece, cluster = clusters[factor]
        found = pieces[piece - first].clusters[cluster]
        moved = any(_scope_of(t) != found.latents for t in found.terms)  # beside what is live
        return bool(found.live) or moved

    shared = {
        clusters[i]
        for step in order.steps
        if isinstance(step, Walk) and all(i < len(clusters) and not is_live(i) for i in step.pair)
        for i in step.pair
    }
    marked = [
        replace(p, clusters=tuple(
            replace(c, shared=(first + i, j) in shared) for j, c in enumerate(p.clusters)))
        for i, p in enumerate(pieces)
    ]  # fmt: skip
    numbers = tuple(range(first, first + len(pieces)))
    return Structure(match, numbers, order, tuple(clusters)), marked


def _piece(derived: Derived, match: Match) -> PiecePlan:
    joint = derived.joint
    level = match.piece.levels[0]
    plate = level.axis
    latents = tuple(joint.levels.axes[name] for name in match.summed)
    terms = [t for t in derived.terms if t.statistic is not None and t.statistic.plate == plate]
    given = [g for g in derived.given if g.plate == plate]
    live = [x for x in derived.live if x.plate == plate]
    direct = tuple(t for t in terms if t.statistic is not None and not t.statistic.scope)
    direct_given = tuple(g for g in given if not g.scope)
    scoped = [t for t in terms if t.statistic is not None and t.statistic.scope]
    clusters = _eliminate(
        latents, scoped, [g for g in given if g.scope], [x for x in live if x.scope],
        {a: joint.atoms.axes[a].extent for a in latents},
    )  # fmt: skip
    return PiecePlan(
        match,
        level,
        latents,
        direct,
        direct_given,
        _features(direct),
        clusters,
        tuple(s for s in derived.statistics if s.plate == plate),
        tuple(x for x in live if not x.scope),
    )


def _features(terms: tuple[Term, ...]) -> tuple[Feature, ...]:
    """The distinct features of terms: the constant first, then masks, then by name."""
    found = {t.statistic.feature for t in terms if t.statistic is not None}
    if any(f.seen for f in found):  # a mask of complete data is the constant
        found.add(CONSTANT)
    return tuple(sorted(found, key=lambda f: (f.expr != 1, f.seen is None, f.name)))


def _scope(item: Term | Given | Live) -> frozenset[str]:
    if isinstance(item, Given | Live):
        return frozenset(item.scope)
    assert item.statistic is not None
    return frozenset(item.statistic.scope)


def _eliminate(
    latents: tuple[str, ...],
    terms: list[Term],
    given: list[Given],
    live: list[Live],
    extents: dict[str, Extent],
) -> tuple[Cluster, ...]:
    """Greedy elimination: next the latent whose cluster has fewest latents, then file order last.

    Within one plate element there are a handful of latents, where greedy is as good as optimal.
    """
    items: list[Term | Given | Live] = [*terms, *given, *live]
    factors: list[tuple[frozenset[str], Term | Given | Live | int]] = [
        (_scope(x), x) for x in items
    ]
    left = list(latents)
    drafts: list[tuple[tuple[str, ...], list[Term], list[Given], list[int], list[Live]]] = []
    while left:
        sizes = {
            a: frozenset({a}).union(*(scope for scope, _ in factors if a in scope)) for a in left
        }

        def cost(a: str) -> tuple[int, int, int]:
            fixed = 1
            for b in sizes[a]:  # noqa: B023 # called at once
                extent = extents[b]
                fixed *= extent.value if isinstance(extent, Fixed) else 1
            return (len(sizes[a]), fixed, -latents.index(a))  # noqa: B023 # called at once

        out = min(left, key=cost)
        rest = tuple(a for a in latents if a in sizes[out] and a != out)
        mine = [x for scope, x in factors if out in scope]
        factors = [(scope, x) for scope, x in factors if out not in scope]
        index = len(drafts)
        drafts.append(
            (
                (out, *rest),
                [x for x in mine if isinstance(x, Term)],
                [x for x in mine if isinstance(x, Given)],
                [x for x in mine if isinstance(x, int)],
                [x for x in mine if isinstance(x, Live)],
            )
        )
        if rest:
            factors.append((frozenset(rest), index))
        left.remove(out)
    parents = {child: i for i, draft in enumerate(drafts) for child in draft[3]}
    return tuple(
        Cluster(
            axes, tuple(t), tuple(g), _features(tuple(t)), tuple(c), parents.get(i), False, tuple(v)
        )
        for i, (axes, t, g, c, v) in enumerate(drafts)
    )
