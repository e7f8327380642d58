"""Sites that no factor joins are independent: components by union-find, each solved exactly.

Continuous sites have been integrated out before: what is left of them are tables over the discrete
ones, like any other factor's (`groups.py`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emdsl.verify import elimination as el
from emdsl.verify.factors import Factor, Region, Term, region_of
from emdsl.verify.groups import Group
from emdsl.verify.tied import tied
from emdsl.verify.world import Site, World

Part = Factor | Group


@dataclass(frozen=True, slots=True)
class Component:
    """Discrete sites that hang together, with what the data say of them.

    weight       : how often all of it counts
    log_evidence : log p(data here), once
    roots        : the outermost plate elements it reaches
    times        : for each factor, how often it counts in one of these
    beliefs      : for each factor the probabilities of its scope's configurations
    best         : the most probable value of every site, jointly, and `log_best`, its log joint
    """

    weight: float
    log_evidence: float
    roots: frozenset[tuple[str, int]]
    sites: tuple[Site, ...]
    factors: tuple[Part, ...]
    times: tuple[float, ...]
    beliefs: tuple[el.Floats, ...]
    best: Mapping[Site, int]
    log_best: float
    terms: tuple[Term, ...]

    def log_joint(self, values: Mapping[Site, int], *, partly: bool = False) -> float:
        """log p(data, sites) at these values, once; `partly`: of the factors they suffice for."""
        return math.fsum(
            times * _at(f, values)
            for f, times in zip(self.factors, self.times, strict=True)
            if times and (not partly or all(s in values for s in f.scope))
        )


def components_of(
    world: World, factors: Sequence[Part], largest: int = el.LARGEST
) -> tuple[Component, ...]:
    """Every component, factors without sites one by one; in the order of their first factors."""
    find = tied(world.random, (f.scope for f in factors))
    groups: dict[object, list[Part]] = {}
    for i, f in enumerate(factors):
        groups.setdefault(find(f.scope[0]) if f.scope else i, []).append(f)
    return tuple(_component(world, tuple(group), largest) for group in groups.values())


def _component(world: World, factors: tuple[Part, ...], largest: int) -> Component:
    sites = tuple(sorted({s for f in factors for s in f.scope}))
    number = {s: i for i, s in enumerate(sites)}
    counts = [world.random[s] for s in sites]
    tables = [_table(f, number, counts) for f in factors]
    shared, root = _regions(world, factors, sites)
    sums = el.Elimination(counts, list(tables), largest=largest)
    evidence = sums.run(root)
    beliefs = tuple(sums.beliefs()[: len(factors)]) if evidence > -np.inf else ()
    maxima = el.Elimination(counts, list(tables), best=True, largest=largest)
    log_best = maxima.run(root)
    best = {sites[i]: x for i, x in maxima.configuration().items()}
    return Component(
        weight=_times(shared),
        log_evidence=evidence,
        roots=frozenset(root for f in factors for root in f.roots),
        sites=sites,
        factors=factors,
        times=tuple(_times(f.region[len(shared):]) for f in factors),
        beliefs=beliefs,
        best=best,
        log_best=log_best,
        terms=tuple(t for f, b in zip(factors, beliefs, strict=False) for t in _terms(f, b)),
    )  # fmt: skip


def _table(f: Part, number: Mapping[Site, int], counts: Sequence[int]) -> el.Table:
    scope = tuple(number[s] for s in f.scope)  # sorted as the sites are
    values = np.full([counts[s] for s in scope], np.nan)
    for chosen, log_density in f.leaves:
        values[_where(f, chosen)] = log_density
    return el.Table(scope, values)


def _where(f: Part, chosen: Mapping[Site, int]) -> tuple[int | slice, ...]:
    return tuple(chosen.get(s, slice(None)) for s in f.scope)


def _terms(f: Part, belief: el.Floats) -> list[Term]:
    times = _times(f.region)
    return [
        term
        for chosen, _ in f.leaves
        for term in f.terms(chosen, times * float(np.sum(belief[_where(f, chosen)])))
    ]


def _at(f: Part, values: Mapping[Site, int]) -> float:
    return next(p for chosen, p in f.leaves if all(values[s] == x for s, x in chosen.items()))


def _times(region: Region) -> float:
    return math.prod(times for _, _, times in region)


def _regions(
    world: World, factors: Sequence[Part], sites: Sequence[Site]
) -> tuple[Region, el.Region]:
    """The weighted elements around everything, and the tree of those further in.

    Raises NotImplementedError where something reads into a weighted element from outside it: how
    often what it reads counts would then depend on who asks.
    """
    own = {s: region_of(world.model.variable(s[0]).plates, s[1], world) for s in sites}
    for f in factors:
        for s in f.scope:
            if own[s] != f.region[: len(own[s])]:
                raise NotImplementedError(f"{f.label} reads {s} inside a weighted element")
    every = [*own.values(), *(f.region for f in factors)]
    depth = 0
    while all(len(r) > depth and r[depth] == every[0][depth] for r in every):
        depth += 1
    tree: dict[Region, el.Region] = {every[0][:depth]: el.Region()}

    def node(path: Region) -> el.Region:
        if path not in tree:
            tree[path] = el.Region(weight=path[-1][2])
            node(path[:-1]).inner.append(tree[path])
        return tree[path]

    for i, s in enumerate(sites):
        node(own[s]).sites.append(i)
    for i, f in enumerate(factors):
        node(f.region).tables.append(i)
    return every[0][:depth], tree[every[0][:depth]]
