"""The E-step of each piece as an elimination: which latent is summed out when, with what terms.

    log evidence = log sum over latents of exp(sum of log factors)

Each latent in turn is summed out of the factors it is in; what is left is a message over the other
latents of those factors, a factor itself. Backward, each message's derivative is the posterior of
what it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from emdsl.derive.statistics import Derived, Feature, Given, Statistic, Term
from emdsl.inference.match import Match
from emdsl.model.graph import Extent, Fixed

CONSTANT = Feature("n", sp.Integer(1), (), (), False, None, True)


@dataclass(frozen=True)
class Cluster:
    """One elimination: `latents[0]` is summed out; the message is over the rest.

    `children` are earlier clusters whose messages come in; `parent` takes this one's message.
    """

    latents: tuple[str, ...]
    terms: tuple[Term, ...]
    given: tuple[Given, ...]
    features: tuple[Feature, ...]
    children: tuple[int, ...]
    parent: int | None


@dataclass(frozen=True)
class PiecePlan:
    """How one plate's elements are handled: direct sums, then the clusters in order."""

    match: Match
    plate: str
    latents: tuple[str, ...]  # axes, in the order of the file
    direct: tuple[Term, ...]
    direct_given: tuple[Given, ...]
    direct_features: tuple[Feature, ...]
    clusters: tuple[Cluster, ...]
    statistics: tuple[Statistic, ...]

    def cluster_of(self, statistic: Statistic) -> int:
        """The cluster that takes a statistic's terms: where the first of its latents goes out."""
        return next(i for i, c in enumerate(self.clusters) if c.latents[0] in statistic.scope)


@dataclass(frozen=True)
class Plan:
    """The pieces' plans."""

    derived: Derived
    pieces: tuple[PiecePlan, ...]


def plan_of(derived: Derived, matches: tuple[Match, ...]) -> Plan:
    """Plan every piece's E-step."""
    return Plan(derived, tuple(_piece(derived, m) for m in matches))


def _piece(derived: Derived, match: Match) -> PiecePlan:
    joint = derived.joint
    plate = match.piece.plate
    latents = tuple(joint.latent_axes[name] for name in match.summed)
    terms = [t for t in derived.terms if t.statistic is not None and t.statistic.plate == plate]
    given = [g for g in derived.given if g.plate == plate]
    direct = tuple(t for t in terms if t.statistic is not None and not t.statistic.scope)
    direct_given = tuple(g for g in given if not g.scope)
    scoped = [t for t in terms if t.statistic is not None and t.statistic.scope]
    clusters = _eliminate(
        latents, scoped, [g for g in given if g.scope],
        {a: joint.atoms.axes[a].extent for a in latents},
    )  # fmt: skip
    return PiecePlan(
        match,
        plate,
        latents,
        direct,
        direct_given,
        _features(direct),
        clusters,
        tuple(s for s in derived.statistics if s.plate == plate),
    )


def _features(terms: tuple[Term, ...]) -> tuple[Feature, ...]:
    """The distinct features of terms: the constant first, then masks, then by name."""
    found = {t.statistic.feature for t in terms if t.statistic is not None}
    if any(f.seen for f in found):  # a mask of complete data is the constant
        found.add(CONSTANT)
    return tuple(sorted(found, key=lambda f: (f.expr != 1, f.seen is None, f.name)))


def _scope(item: Term | Given) -> frozenset[str]:
    if isinstance(item, Given):
        return frozenset(item.scope)
    assert item.statistic is not None
    return frozenset(item.statistic.scope)


def _eliminate(
    latents: tuple[str, ...],
    terms: list[Term],
    given: list[Given],
    extents: dict[str, Extent],
) -> tuple[Cluster, ...]:
    """Greedy elimination: next the latent whose cluster has fewest latents, then file order last.

    Within one plate element there are a handful of latents, where greedy is as good as optimal.
    """
    items: list[Term | Given] = [*terms, *given]
    factors: list[tuple[frozenset[str], Term | Given | int]] = [(_scope(x), x) for x in items]
    left = list(latents)
    drafts: list[tuple[tuple[str, ...], list[Term], list[Given], list[int]]] = []
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
            )
        )
        if rest:
            factors.append((frozenset(rest), index))
        left.remove(out)
    parents = {child: i for i, draft in enumerate(drafts) for child in draft[3]}
    return tuple(
        Cluster(axes, tuple(t), tuple(g), _features(tuple(t)), tuple(c), parents.get(i))
        for i, (axes, t, g, c) in enumerate(drafts)
    )
