"""The E-step of a piece as an elimination: which latent is summed out when, with what terms.

    log evidence = log sum over latents of exp(sum of log factors)

Each latent in turn is summed out of the factors it is in; what is left is a message over the other
latents of those factors, a factor itself. Backward, each message's derivative is the posterior of
what it stands for.
"""

from __future__ import annotations

import sympy as sp

from emdsl.derive.live import Live
from emdsl.derive.statistics import Feature, Given, Term
from emdsl.inference.plan import Cluster
from emdsl.model.graph import Extent, Fixed

CONSTANT = Feature("n", sp.Integer(1), (), (), False, None, True)


def features_of(terms: tuple[Term, ...]) -> tuple[Feature, ...]:
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


def eliminate(
    latents: tuple[str, ...],
    terms: list[Term],
    given: list[Given],
    live: list[Live],
    integrals: list[tuple[str, ...]],
    extents: dict[str, Extent],
) -> tuple[Cluster, ...]:
    """Greedy elimination: next the latent whose cluster has fewest latents, then file order last.

    Within one plate element there are a handful of latents, where greedy is as good as optimal.
    """
    items: list[Term | Given | Live] = [*terms, *given, *live]
    factors: list[tuple[frozenset[str], Term | Given | Live | int]] = [
        (_scope(x), x) for x in items
    ]
    # the log evidence of continuous latents comes in first; numbered from -1 down
    factors += [(frozenset(scope), -1 - n) for n, scope in enumerate(integrals) if scope]
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
    parents = {child: i for i, draft in enumerate(drafts) for child in draft[3] if child >= 0}
    return tuple(
        Cluster(
            axes,
            tuple(t),
            tuple(g),
            features_of(tuple(t)),
            tuple(c),
            parents.get(i),
            False,
            tuple(v),
        )
        for i, (axes, t, g, c, v) in enumerate(drafts)
    )
