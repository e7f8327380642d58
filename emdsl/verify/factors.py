"""A model over given data as a product of small tables, one for each node at each place.

A *site* is a variable that is not seen at one place. Which sites a node's density depends on is
found by asking: it is evaluated with nothing known, and where it reads a site that has no value,
again with each of that site's values. So a reference through an index, a lag, a parent array or
another latent needs no rule of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

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
    Variable,
)
from emdsl.verify.evaluate import log_density, value
from emdsl.verify.world import Needed, Site, World

Leaf = tuple[Mapping[Site, int], float]
Region = tuple[tuple[str, tuple[int, ...], float], ...]  # (axis, place, weight), outermost first


@dataclass(frozen=True, slots=True)
class Factor:
    """A node's log density at one place: a decision tree's leaves over the sites it reads.

    `region` is the weighted plate elements (of weight other than 1) that it stands in.
    """

    node: Variable
    places: Mapping[str, int]
    region: Region
    scope: tuple[Site, ...]
    leaves: tuple[Leaf, ...]


def with_sites(world: World) -> World:
    """The world with its random sites: latents, and missing discrete data that others read."""
    random: dict[Site, int] = {}
    for v in world.model.variables:
        if v.role == "latent" or is_summed(v, world.model):
            count = _count(v, world)
            for place in world.each(v):
                if v.role == "latent" or np.isnan(world.arrays[v.name][place]):
                    random[v.name, place] = count
    return replace(world, random=random)


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
        if (v.name, place) in world.random or not np.isnan(world.arrays[v.name][place]).all()
    )


def _factor(v: Variable, place: tuple[int, ...], world: World) -> Factor:
    places = dict(zip(v.plates, place, strict=True))
    leaves = tuple(_leaves(v, places, world, {}))
    scope = tuple(sorted({site for chosen, _ in leaves for site in chosen}))
    return Factor(v, places, region_of(v.plates, place, world), scope, leaves)


def _leaves(
    v: Variable, places: Mapping[str, int], world: World, chosen: Mapping[Site, int]
) -> Iterator[Leaf]:
    try:
        yield chosen, node_log_density(v, world.at(places, chosen))
    except Needed as needed:
        for x in range(world.random[needed.site]):
            yield from _leaves(v, places, world, {**chosen, needed.site: x})


def node_log_density(v: Variable, world: World) -> float:
    """A node's log density at the world's place. Raises Needed where it reads an open site."""
    assert v.dist is not None
    site = (v.name, tuple(world.places[a] for a in v.plates))
    if site in world.values:
        x: object = float(world.values[site])
    elif site in world.random:
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
