"""The plan of every piece's E-step: its own elimination, or its part in what couples some of them.

Where latents are seen from other rows than their own, the terms of each level of rows are grouped
by the latents they depend on, and a schedule says which groups are taken together, and when.
"""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from emdsl.derive.atoms import Ind
from emdsl.derive.levels import Level, Link
from emdsl.derive.live import Live
from emdsl.derive.statistics import Derived, Term
from emdsl.derive.table import Atoms
from emdsl.diagnostics import Bug
from emdsl.inference.continuous import link_of, posteriors_in
from emdsl.inference.elimination import eliminate, features_of
from emdsl.inference.match import Match, Refusal
from emdsl.inference.plan import Bundle, Cluster, Fold, PiecePlan, Plan, Structure, Together
from emdsl.inference.schedule import Factor, Stuck, Walk, schedule


def plan_of(derived: Derived, matches: tuple[Match, ...]) -> Plan:
    """Plan every piece's E-step."""
    pieces: list[PiecePlan] = []
    structures: list[Structure] = []
    together: list[Together] = []
    for match in matches:
        if match.coupled and match.strategy == "gaussian":
            numbers = range(len(pieces), len(pieces) + len(match.piece.levels))
            pieces += [_normals(derived, match, level) for level in match.piece.levels]
            together.append(Together(match, tuple(numbers), _independent(derived, match)))
        elif match.coupled:
            first = len(pieces)
            pieces += [_rows(derived, match, level) for level in match.piece.levels]
            structure, pieces[first:] = _structure(derived, match, first, pieces[first:])
            structures.append(structure)
        else:
            home = next((k for k in match.piece.levels if k.axis == match.home), None)
            for level in match.piece.levels:
                if home is None or level == home:
                    others = tuple(k for k in match.piece.levels if k != level)
                    pieces.append(_piece(derived, match, level, others))
                else:
                    pieces.append(_direct(derived, match, level))
    return Plan(derived, tuple(pieces), tuple(structures), tuple(together))


def _normals(derived: Derived, match: Match, level: Level) -> PiecePlan:
    """A level of rows that see normal latents of other rows: what they say of them."""
    terms = [t for t in _terms(derived, level.axis) if _has_latent(t)]
    plan = _direct(derived, match, level)
    bundles, clusters = _integrals(derived, match, level.axis, terms, at_home=False)
    seen = dict.fromkeys(t.statistic for t in terms if t.statistic is not None)
    return replace(plan, clusters=clusters, bundles=bundles, statistics=(*plan.statistics, *seen))


def _independent(derived: Derived, match: Match) -> Level:
    """The level whose rows no latent ties to each other: the plates around that all have."""
    levels = derived.joint.levels
    count = min(len(k.plates) for k in match.piece.levels)
    for s in derived.statistics:
        for sight in s.moment.sights if s.moment is not None else ():
            link = link_of(levels, s.plate, sight)
            if not link.own:
                count = min(count, link.shared)
    first = match.piece.levels[0].plates
    while any(k.plates[:count] != first[:count] for k in match.piece.levels):
        count -= 1
    return Level(first[:count])


def _rows(derived: Derived, match: Match, level: Level) -> PiecePlan:
    """The terms of one level of coupled rows, grouped by the latents they depend on."""
    joint = derived.joint
    everything = [t for t in derived.terms if t.statistic and t.statistic.plate == level.axis]
    terms = [t for t in everything if t.statistic and t.statistic.moment is None]
    bundles, integrals = _integrals(derived, match, level.axis, [
        t for t in everything if t.statistic and t.statistic.moment is not None])  # fmt: skip
    given = [g for g in derived.given if g.plate == level.axis]
    live = [x for x in derived.live if x.plate == level.axis]
    where = {id(x): scope for x, scope in _whole_nodes(terms, live, joint.atoms)}
    every = [where[id(x)] for x in (*terms, *live)] + [g.scope for g in given]
    scopes = dict.fromkeys(scope for scope in every if scope)
    own = tuple(n for n in match.summed if joint.levels.of(joint.model.variable(n)) == level)
    for name in own:  # a latent that no term depends on is summed over nonetheless
        scopes.setdefault((joint.levels.axes[name],))
    scopes |= dict.fromkeys(b.scope for b in bundles)  # which takes their log evidence
    groups = []
    for scope in scopes:
        mine = tuple(t for t in terms if where[id(t)] == scope)
        groups.append(
            Cluster(
                scope,
                mine,
                tuple(g for g in given if g.scope == scope),
                features_of(mine),
                live=tuple(x for x in live if where[id(x)] == scope),
            )
        )
    direct = tuple(t for t in terms if t.statistic and not t.statistic.scope)
    order = list(scopes)
    return PiecePlan(
        match,
        level,
        tuple(joint.levels.axes[n] for n in own),
        direct,
        tuple(g for g in given if not g.scope),
        features_of(direct),
        (*groups, *integrals),
        tuple(s for s in derived.statistics if s.plate == level.axis),
        tuple(x for x in live if not x.scope),
        tuple(
            replace(
                b,
                clusters=tuple(len(groups) + i for i in b.clusters),
                parent=order.index(b.scope),
            )
            for b in bundles
        ),
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
    clusters = [(first + i, j) for i, p in enumerate(pieces) for j, _ in p.finite]
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
        plan = pieces[piece - first]
        fed = any(b.parent == cluster for b in plan.bundles)
        found = plan.clusters[cluster]
        moved = any(_scope_of(t) != found.latents for t in found.terms)  # beside what is live
        return fed or bool(found.live) or moved

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


def _direct(derived: Derived, match: Match, level: Level) -> PiecePlan:
    """Rows that point to the rows where their terms are added up: only what no latent touches."""
    terms = [t for t in _terms(derived, level.axis) if not _has_latent(t)]
    return PiecePlan(
        match, level, (), tuple(terms),
        tuple(g for g in derived.given if g.plate == level.axis),
        features_of(tuple(terms)), (),
        tuple(dict.fromkeys(t.statistic for t in terms if t.statistic is not None)),
        tuple(x for x in derived.live if x.plate == level.axis),
    )  # fmt: skip


def _terms(derived: Derived, plate: str) -> list[Term]:
    return [t for t in derived.terms if t.statistic is not None and t.statistic.plate == plate]


def _has_latent(t: Term) -> bool:
    return t.statistic is not None and (bool(t.statistic.scope) or t.statistic.moment is not None)


def _piece(
    derived: Derived, match: Match, level: Level, others: tuple[Level, ...] = ()
) -> PiecePlan:
    """A level whose rows are independent; rows of other levels are added up at them."""
    joint = derived.joint
    plate = level.axis
    latents = tuple(joint.levels.axes[name] for name in match.summed)
    terms = _terms(derived, plate)
    given = [g for g in derived.given if g.plate == plate]
    live = [x for x in derived.live if x.plate == plate]
    direct = tuple(t for t in terms if not _has_latent(t))
    scoped = [t for t in terms if t.statistic is not None and t.statistic.scope]
    scoped = [t for t in scoped if t.statistic is not None and t.statistic.moment is None]
    elsewhere = [t for k in others for t in _terms(derived, k.axis) if _has_latent(t)]
    bundles, integrals = _integrals(derived, match, plate, [*terms, *elsewhere])
    clusters = eliminate(
        latents, scoped, [g for g in given if g.scope], [x for x in live if x.scope],
        [b.scope for b in bundles], {a: joint.atoms.axes[a].extent for a in latents},
    )  # fmt: skip
    first = len(clusters)
    bundles = tuple(
        replace(
            b,
            clusters=tuple(first + i for i in b.clusters),
            parent=next((i for i, c in enumerate(clusters) if -1 - n in c.children), None),
        )
        for n, b in enumerate(bundles)
    )
    clusters = (*clusters, *integrals)
    folds: list[Fold] = []
    for k in others:
        fed = tuple(i for i, c in enumerate(clusters) if c.source == k.axis)
        if fed:
            folds.append(Fold(_link_home(derived, k), fed))
    everything = [s for t in (*terms, *elsewhere) if (s := t.statistic) is not None]
    return PiecePlan(
        match,
        level,
        latents,
        direct,
        tuple(g for g in given if not g.scope),
        features_of(direct),
        clusters,
        tuple(s for s in derived.statistics if s in everything),
        tuple(x for x in live if not x.scope),
        bundles,
        tuple(folds),
    )


def _link_home(derived: Derived, level: Level) -> Link:
    """The one link through which a level's rows see latents."""
    levels = derived.joint.levels
    for t in _terms(derived, level.axis):
        assert t.statistic is not None
        if t.statistic.moment is not None:
            return link_of(levels, level.axis, t.statistic.moment.sights[0])
        if t.statistic.scope:
            return levels.links[level.axis, t.statistic.scope[0]]
    raise Bug(f"rows of {level.axis} see no latent")


def _integrals(
    derived: Derived, match: Match, plate: str, terms: list[Term], *, at_home: bool = True
) -> tuple[tuple[Bundle, ...], tuple[Cluster, ...]]:
    """What continuous latents are integrated out of: a cluster for each function of them.

    Every function of one bundle is taken for all values of the discrete latents above any of them.
    What other rows say of discrete latents alone is a bundle without latents of its own.
    """
    plates = tuple(dict.fromkeys(t.statistic.plate for t in terms if t.statistic is not None))
    posteriors = posteriors_in(derived, match.strategy, plates, at_home=at_home)
    if isinstance(posteriors, Refusal):
        raise Bug(f"the strategy took a piece that has no posterior: {posteriors.reason}")
    order = derived.joint.atoms.latent_axes()
    bundles: list[Bundle] = []
    clusters: list[Cluster] = []

    def source(t: Term) -> str:
        assert t.statistic is not None
        return "" if t.statistic.plate == plate else t.statistic.plate

    for p in posteriors:
        by_moment = {
            m: tuple(t for t in terms if t.statistic is not None and t.statistic.moment == m)
            for m, _ in p.roles
        }
        above = {
            a for own in by_moment.values() for t in own if t.statistic is not None
            for a in t.statistic.scope
        }  # fmt: skip
        if p.cut is not None:
            above |= p.cut.axes_of(derived.joint.atoms)
        scope = tuple(a for a in order if a in above)
        start = len(clusters)
        clusters += [
            Cluster(scope, own, (), features_of(own), moment=m, source=source(own[0]))
            for m, own in by_moment.items()
        ]
        bundles.append(Bundle(p, scope, tuple(range(start, len(clusters)))))
    other: dict[tuple[str, tuple[str, ...]], list[Term]] = {}
    for t in terms:
        assert t.statistic is not None
        if t.statistic.scope and t.statistic.moment is None and source(t):
            other.setdefault((source(t), t.statistic.scope), []).append(t)
    for (where, scope), mine in other.items():
        bundles.append(Bundle(None, scope, (len(clusters),)))
        clusters.append(Cluster(scope, tuple(mine), (), features_of(tuple(mine)), source=where))
    return tuple(bundles), tuple(clusters)
