"""A model over given data as a product of small tables, one for each node at each place.

A *site* is a variable that is not seen at one place. Which sites a node's density depends on is
found by asking: it is evaluated with nothing known, and where it reads a site that has no value,
again with each of that site's values; a continuous one is given some value and noted. So a
reference through an index, a lag, a parent array or another latent needs no rule of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from emdsl.model.graph import (
    Apply,
    ArrayOf,
    Choice,
    Distribution,
    Draw,
    Expr,
    Limited,
    Model,
    Ref,
    Type,
    Variable,
)
from emdsl.verify.evaluate import log_density, value
from emdsl.verify.world import Needed, Site, World

Leaf = tuple[Mapping[Site, int], float]
Region = tuple[tuple[str, tuple[int, ...], float], ...]  # (axis, place, weight), outermost first


@dataclass(frozen=True, slots=True)
class Factor:
    """A node's log density at one place: a decision tree's leaves over the discrete sites it reads.

    `region` is the weighted plate elements (of weight other than 1) that it stands in. Where it
    reads `continuous` sites, too, the leaves' numbers are of no use: it is a function of those.
    """

    node: Variable
    places: Mapping[str, int]
    region: Region
    scope: tuple[Site, ...]
    leaves: tuple[Leaf, ...]
    continuous: tuple[Site, ...] = ()

    @property
    def label(self) -> str:
        """What it is called in a message."""
        return f"{self.node.name} at {dict(self.places)}"

    @property
    def roots(self) -> frozenset[tuple[str, int]]:
        """The outermost plate's element it stands in, if any."""
        return frozenset((a, self.places[a]) for a in self.node.plates[:1])

    @property
    def in_no_plate(self) -> bool:
        """Whether it belongs to no element of the data."""
        return not self.node.plates

    @property
    def drawn(self) -> frozenset[Site]:
        """The variable at its place."""
        return frozenset({(self.node.name, tuple(self.places[a] for a in self.node.plates))})

    def terms(self, chosen: Mapping[Site, int], probability: float) -> Iterator[Term]:
        """What it adds to Q where the discrete sites have these values with this probability."""
        yield Term(self, chosen, probability)

    def log_density(self, world: World, values: Mapping[Site, Any]) -> float:
        """Its value at values of all that it reads."""
        return node_log_density(self.node, world.at(self.places, values))


@dataclass(frozen=True, slots=True)
class Term:
    """A factor at values of the sites it reads, with its expected number of times."""

    factor: Factor
    values: Mapping[Site, Any]
    probability: float


def with_sites(world: World) -> World:
    """The world with its random sites: latents, and missing discrete data that others read."""
    random: dict[Site, int] = {}
    continuous: dict[Site, tuple[int, ...]] = {}
    for v in world.model.variables:
        if v.role == "latent" and not v.type.discrete:
            shape = tuple(world.extent(e) for e in v.type.shape)
            continuous |= {(v.name, place): shape for place in world.each(v)}
        elif v.role == "latent" or is_summed(v, world.model):
            count = _count(v, world)
            for place in world.each(v):
                if v.role == "latent" or np.isnan(world.arrays[v.name][place]):
                    random[v.name, place] = count
    return replace(world, random=random, continuous=continuous)


def is_summed(v: Variable, model: Model) -> bool:
    """Whether data are discrete and others depend on them: summed over where missing."""
    return (
        v.role == "data"
        and not v.type.shape
        and (v.type.kind == "bool" or v.type.values is not None)
        and any(v.name in names_in(w.dist) for w in model.variables if w.dist is not None)
    )


def _count(v: Variable, world: World) -> int:
    if v.type.kind == "bool" and not v.type.shape:
        return 2
    if v.type.values is None or v.type.shape:
        raise NotImplementedError(f"{v.name} of type {v.type} has no short list of values")
    return world.extent(v.type.values)


def factors_of(world: World) -> tuple[Factor, ...]:
    """Every node at every place; data that are missing and not random have no factor."""
    return tuple(
        _factor(v, place, world)
        for v in world.model.variables
        if v.role in ("latent", "data")
        for place in world.each(v)
        if (v.name, place) in world.random
        or (v.name, place) in world.continuous
        or not np.isnan(world.arrays[v.name][place]).all()
    )


def _factor(v: Variable, place: tuple[int, ...], world: World) -> Factor:
    places = dict(zip(v.plates, place, strict=True))
    probes: dict[Site, Any] = {}
    leaves = tuple(_leaves(v, places, world, {}, probes))
    scope = tuple(sorted({site for chosen, _ in leaves for site in chosen}))
    region = region_of(v.plates, place, world)
    return Factor(v, places, region, scope, leaves, tuple(sorted(probes)))


def _leaves(
    v: Variable,
    places: Mapping[str, int],
    world: World,
    chosen: Mapping[Site, int],
    probes: dict[Site, Any],
) -> Iterator[Leaf]:
    """The leaves below `chosen`; the continuous sites that they read are added to `probes`."""
    try:
        yield chosen, node_log_density(v, world.at(places, {**probes, **chosen}))
    except Needed as needed:
        site = needed.site
        if site in world.continuous:
            probes[site] = some_value(world.model.variable(site[0]).type, world.continuous[site])
            yield from _leaves(v, places, world, chosen, probes)
        else:
            for x in range(world.random[site]):
                yield from _leaves(v, places, world, {**chosen, site: x}, probes)


def some_value(of: Type, shape: tuple[int, ...]) -> Any:
    """A value well inside a continuous type's support."""
    match of.kind:
        case "simplex":
            return np.full(shape, 1.0 / shape[-1])
        case "posdef" | "orthogonal":
            return np.eye(shape[-1])
        case "ordered":
            return np.arange(float(shape[-1]))
        case "shape":
            return np.ones(shape)
        case _:
            return np.full(shape, 0.5)


def node_log_density(v: Variable, world: World) -> float:
    """A node's log density at the world's place. Raises Needed where it reads an open site."""
    assert v.dist is not None
    site = (v.name, tuple(world.places[a] for a in v.plates))
    if site in world.values:
        x: object = np.asarray(world.values[site], dtype=float)
    elif site in world.random or site in world.continuous:
        raise Needed(site)
    else:
        x = world.arrays[v.name][site[1]]
    return log_density(v.dist, x, world)


def region_of(plates: tuple[str, ...], place: tuple[int, ...], world: World) -> Region:
    """The elements around a place that don't count once."""
    found = []
    for depth, axis in enumerate(plates, 1):
        weight = world.model.plate(axis).weight
        if weight is not None:
            here = dict(zip(plates[:depth], place[:depth], strict=True))
            times = float(value(weight, world.at(here, {})))
            if times != 1.0:
                found.append((axis, place[:depth], times))
    return tuple(found)


@cache
def names_in(item: Distribution | Expr | None) -> frozenset[str]:
    """Every name a distribution or an expression refers to."""
    return frozenset(_walk(item))


def _walk(item: Distribution | Expr | None) -> Iterator[str]:
    match item:
        case Ref(name=name, indices=indices):
            yield name
            for i in indices:
                yield from _walk(i)
        case Apply(args=args):
            for a in args:
                yield from _walk(a)
        case ArrayOf(items=items):
            for a in items:
                yield from _walk(a)
        case Draw(args=args):
            for _, a in args:
                yield from _walk(a)
        case Choice(test=test, then=then, orelse=orelse):
            for part in (test, then, orelse):
                yield from _walk(part)
        case Limited(base=base, lower=lower, upper=upper):
            for bound in (base, lower, upper):
                yield from _walk(bound)
