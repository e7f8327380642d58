"""The exact E-step by brute force: every value of every latent of every plate element.

    log p(x_n) = log sum_z exp(log p(x_n, z)),   p(z | x_n) = p(x_n, z) / p(x_n)

for elements so small that all z can be written down. A plate inside another is enumerated inside
each configuration of the outer one's latents. Missing discrete data that others depend on are
latents; other missing cells count nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.model.graph import (
    Apply,
    ArrayOf,
    Choice,
    Distribution,
    Draw,
    Expr,
    Limited,
    Model,
    Plate,
    Ref,
    Variable,
)
from emdsl.verify.world import Arrays, World, log_density, log_prior, value, world_of


@dataclass(frozen=True, slots=True)
class Term:
    """A node's log density at places and latent values, with its expected number of times."""

    node: Variable
    places: Mapping[str, int]
    latents: Arrays
    probability: float


@dataclass(frozen=True, slots=True)
class Element:
    """A plate element: its evidence and all values of its own latents with their probability."""

    plate: str
    place: int
    weight: float
    log_evidence: float
    latents: tuple[str, ...]
    configurations: tuple[tuple[tuple[int, ...], float], ...]
    terms: tuple[Term, ...]


def elements(
    model: Model, data: Arrays, params: Arrays, sizes: Mapping[str, int] | None = None
) -> tuple[Element, ...]:
    """Every element of every outermost plate under these parameters."""
    world = world_of(model, data, params, sizes)
    return tuple(
        _element(plate, place, world)
        for plate in model.plates
        if not plate.outer
        for place in range(world.extent(plate.extent))
    )


def log_likelihood(found: tuple[Element, ...]) -> float:
    """The weighted sum of the elements' log evidence."""
    return math.fsum(e.weight * e.log_evidence for e in found if e.weight > 0)


def marginals(found: tuple[Element, ...]) -> dict[str, list[dict[int, float]]]:
    """{latent: for each element, {value: probability}}, in order of the plate."""
    out: dict[str, list[dict[int, float]]] = {}
    for e in found:
        for i, name in enumerate(e.latents):
            row: dict[int, float] = {}
            for values, p in e.configurations:
                row[values[i]] = row.get(values[i], 0.0) + p
            out.setdefault(name, []).append(row)
    return out


def expected(
    model: Model,
    data: Arrays,
    params: Arrays,
    found: tuple[Element, ...],
    sizes: Mapping[str, int] | None = None,
    about: frozenset[str] | None = None,
) -> float:
    """Q(params | the parameters `found` was made with) plus the log prior.

    about : leave out the nodes that none of these parameters touches: constants, in a difference.
    """
    world = world_of(model, data, params, sizes)
    parts = []
    wanted = {
        v.name for v in model.variables if about is None or (v.dist and about & _names(v.dist))
    }
    for e in found:
        for t in e.terms:
            if t.node.name in wanted and e.weight * t.probability > 0.0:
                assert t.node.dist is not None
                here = world.at(t.places, t.latents)
                x = here.arrays[t.node.name][tuple(t.places[a] for a in t.node.plates)]
                parts.append(e.weight * t.probability * log_density(t.node.dist, x, here))
    return math.fsum(parts) + log_prior(world)


# --- one element -----------------------------------------------------------------------------


def _element(plate: Plate, place: int, world: World) -> Element:
    weight = 1.0
    here = world.at({plate.axis: place}, {})
    if plate.weight is not None:
        weight = float(value(plate.weight, here))
    names, evidence, configurations, terms = _expand(plate, here)
    return Element(plate.axis, place, weight, evidence, names, configurations, _merged(terms))


def _merged(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    """One term for all configurations that a node can't tell apart."""
    found: dict[tuple[object, ...], Term] = {}
    for t in terms:
        seen = {t.node.name, *_names(t.node.dist)}
        latents = {n: a for n, a in t.latents.items() if n in seen}
        key = (
            t.node.name,
            tuple(t.places.items()),
            tuple((n, a.tobytes()) for n, a in latents.items()),
        )
        old = found.get(key)
        before = old.probability if old is not None else 0.0
        found[key] = Term(t.node, t.places, latents, before + t.probability)
    return tuple(found.values())


Expanded = tuple[
    tuple[str, ...], float, tuple[tuple[tuple[int, ...], float], ...], tuple[Term, ...]
]


def _expand(plate: Plate, world: World) -> Expanded:
    """The latents, log evidence, configurations and terms at one place of a plate."""
    model = world.model
    own = [v for v in model.variables if v.plates and v.plates[-1] == plate.axis]
    nodes = [v for v in own if v.role in ("latent", "data")]
    inner = [p for p in model.plates if p.outer and p.outer[-1] == plate.axis]
    hidden = [v for v in nodes if v.role == "latent" or _summed(v, model)]
    choices = [_values(v, world) for v in hidden]
    found: list[tuple[tuple[int, ...], float, list[Term]]] = []
    for values in product(*choices):
        latents = {v.name: _put(v, x, world) for v, x in zip(hidden, values, strict=True)}
        here = world.at({}, latents)
        places = dict(here.places)
        held = {n: a for n, a in here.arrays.items() if _is_hidden(n, model)}
        total = 0.0
        terms = []
        for v in nodes:
            assert v.dist is not None
            x = here.arrays[v.name][tuple(places[a] for a in v.plates)]
            total += log_density(v.dist, x, here)
            terms.append(Term(v, places, held, 1.0))
        for p in inner:
            for i in range(here.extent(p.extent)):
                deeper = here.at({p.axis: i}, {})
                weight = 1.0 if p.weight is None else float(value(p.weight, deeper))
                _, evidence, _, parts = _expand(p, deeper)
                total += weight * evidence
                terms += [Term(t.node, t.places, t.latents, weight * t.probability) for t in parts]
        found.append((values, total, terms))
    joint = np.array([total for _, total, _ in found])
    top = joint.max()
    if top == -np.inf:
        return tuple(v.name for v in hidden), -np.inf, (), ()
    evidence = float(top + np.log(np.exp(joint - top).sum()))
    probability = np.exp(joint - evidence)
    return (
        tuple(v.name for v in hidden),
        evidence,
        tuple((c, float(p)) for (c, _, _), p in zip(found, probability, strict=True)),
        tuple(
            Term(t.node, t.places, t.latents, float(p) * t.probability)
            for (_, _, terms), p in zip(found, probability, strict=True)
            for t in terms
        ),
    )


def _is_hidden(name: str, model: Model) -> bool:
    return any(
        v.name == name and (v.role == "latent" or _summed(v, model)) for v in model.variables
    )


def _summed(v: Variable, model: Model) -> bool:
    """Whether data are discrete and others depend on them: summed over where missing."""
    return (
        v.role == "data"
        and not v.type.shape
        and (v.type.kind == "bool" or v.type.values is not None)
        and any(v.name in _names(w.dist) for w in model.variables if w.dist is not None)
    )


def _values(v: Variable, world: World) -> list[int]:
    """The values a latent may have here: its observed one, where it is data and not missing."""
    if v.role == "data":
        seen = world.arrays[v.name][tuple(world.places[a] for a in v.plates)]
        if not np.isnan(seen):
            return [int(seen)]
    if v.type.kind == "bool":
        return [0, 1]
    assert v.type.values is not None
    return list(range(world.extent(v.type.values)))


def _put(v: Variable, x: int, world: World) -> NDArray[Any]:
    """An array over the variable's plates that has x at this place, and nothing elsewhere."""
    shape = [world.extent(world.model.plate(a).extent) for a in v.plates]
    array = np.full(shape, np.nan)
    array[tuple(world.places[a] for a in v.plates)] = x
    return array


@cache
def _names(item: Distribution | Expr | None) -> frozenset[str]:
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
