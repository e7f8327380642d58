"""The exact E-step by brute force: every value of everything discrete that is not seen.

    log p(x) = log sum_z exp(log p(x, z)),   p(z | x) = p(x, z) / p(x)

for data so few that all z can be written down, or summed out one after another by plain tables,
what is continuous having been integrated out given them.
Latents may stand anywhere and refer to each other in any way: chains, trees, gathers. Missing
discrete data that others depend on are latents; other missing cells count nothing. A weighted
plate element's log evidence, given what is outside, counts as often as the weight says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from emdsl.model.graph import Model
from emdsl.verify.components import Component, components_of
from emdsl.verify.elimination import LARGEST
from emdsl.verify.evaluate import log_prior
from emdsl.verify.factors import Factor, factors_of, is_summed, names_in, with_sites
from emdsl.verify.groups import grouped
from emdsl.verify.ragged import Place
from emdsl.verify.world import Arrays, Site, World, world_of

Odds = Mapping[int, float]

_NOTHING = 1e-14  # a probability of less is rounding: it may stand beside the log of zero


@dataclass(frozen=True, slots=True)
class Exact:
    """Everything the data say under given parameters."""

    world: World
    components: tuple[Component, ...]

    @property
    def scale(self) -> float:
        """How large the numbers are that the log likelihood is made of; at least 1."""
        parts = (abs(c.weight * c.log_evidence) for c in self.components if c.weight > 0)
        return max(1.0, math.fsum(parts))


def elements(
    model: Model,
    data: Arrays,
    params: Arrays,
    sizes: Mapping[str, int] | None = None,
    largest: int = LARGEST,
) -> Exact:
    """Every independent component. `largest`: configurations to write down before summing."""
    world = with_sites(world_of(model, data, params, sizes))
    return Exact(world, components_of(world, grouped(world, factors_of(world)), largest))


def log_likelihood(found: Exact) -> float:
    """The weighted sum of the components' log evidence."""
    return math.fsum(c.weight * c.log_evidence for c in found.components if c.weight > 0)


def by_element(found: Exact) -> dict[tuple[str, int], float]:
    """{(axis, i): weighted log evidence} of the outermost plates' elements that stand alone."""
    out: dict[tuple[str, int], list[float]] = {}
    shared: set[tuple[str, int]] = set()
    for c in found.components:
        for root in c.roots:
            out.setdefault(root, []).append(c.weight * c.log_evidence if c.weight > 0 else 0.0)
        if len(c.roots) > 1 or any(f.in_no_plate for f in c.factors):
            shared |= c.roots
    return {root: math.fsum(parts) for root, parts in out.items() if root not in shared}


# --- what is likely ----------------------------------------------------------------------------


def marginals(found: Exact) -> dict[str, dict[Place, dict[int, float]]]:
    """{latent: {place: {value: probability}}}, places in order; seen values are certain.

    They sum to less than one where the data are impossible, given some of what is around, which
    matters not to an element of weight 0.
    """
    world = found.world
    known: dict[Site, dict[int, float]] = {}
    for c in found.components:
        for f, belief in zip(c.factors, c.beliefs, strict=False):
            for i, site in enumerate(f.scope):
                if site not in known:
                    others = tuple(n for n in range(len(f.scope)) if n != i)
                    known[site] = dict(enumerate(map(float, belief.sum(others))))
    for v in world.model.variables:
        for place in world.each(v) if is_summed(v, world.model) else ():
            if not np.isnan(world.arrays[v.name][place]):
                known[v.name, place] = {int(world.arrays[v.name][place]): 1.0}
    return {
        v.name: {place: known.get((v.name, place), {}) for place in world.each(v)}
        for v in world.model.variables
        if (v.role == "latent" and v.type.discrete) or is_summed(v, world.model)
    }


def pairs(found: Exact) -> dict[tuple[Site, Site], dict[tuple[int, int], float]]:
    """The joint probabilities of any two sites that one factor reads."""
    out: dict[tuple[Site, Site], dict[tuple[int, int], float]] = {}
    for c in found.components:
        for f, belief in zip(c.factors, c.beliefs, strict=False):
            for i, j in combinations(range(len(f.scope)), 2):
                others = tuple(n for n in range(len(f.scope)) if n not in (i, j))
                table = belief.sum(others)
                out.setdefault(
                    (f.scope[i], f.scope[j]),
                    {at: float(table[at]) for at in np.ndindex(table.shape)},
                )
    return out


def best(found: Exact) -> tuple[dict[Site, int], float]:
    """The most probable value of every site, jointly, and the weighted log joint there."""
    chosen = {s: x for c in found.components for s, x in c.best.items()}
    return chosen, math.fsum(c.weight * c.log_best for c in found.components if c.weight > 0)


def log_joint(found: Exact, values: Mapping[Site, int]) -> float:
    """The weighted log p(data, sites) at these values."""
    parts = (c.weight * c.log_joint(values) for c in found.components if c.weight > 0)
    return math.fsum(parts)


def filtered(
    model: Model,
    data: Arrays,
    params: Arrays,
    axis: str,
    sizes: Mapping[str, int] | None = None,
) -> dict[str, dict[Place, dict[int, float]]]:
    """{latent over the axis: {place: p(value | data up to there)}}: all later nodes left out."""
    world = with_sites(world_of(model, data, params, sizes))
    factors = factors_of(world)
    over = [v for v in model.variables if axis in v.plates]
    last = max((p[v.plates.index(axis)] for v in over for p in world.each(v)), default=-1)
    out: dict[str, dict[Place, dict[int, float]]] = {}
    for t in range(last + 1):
        kept = _up_to(axis, t, factors)
        here = replace(
            world,
            random={s: world.random[s] for f in kept for s in f.scope},
            continuous={s: world.continuous[s] for f in kept for s in f.continuous},
        )
        for name, rows in marginals(Exact(here, components_of(here, grouped(here, kept)))).items():
            plates = model.variable(name).plates
            if axis in plates:
                now = {p: row for p, row in rows.items() if p[plates.index(axis)] == t}
                out.setdefault(name, {}).update(now)
    return {v.name: {p: out[v.name][p] for p in world.each(v)} for v in over if v.name in out}


def _up_to(axis: str, t: int, factors: tuple[Factor, ...]) -> tuple[Factor, ...]:
    """The factors of nodes up to time t, without what hangs on a later one."""
    kept = tuple(f for f in factors if f.places.get(axis, t) <= t)
    while True:
        drawn = {s for f in kept for s in f.drawn}
        random = {s for f in factors for s in f.drawn & {*f.scope, *f.continuous}}
        fewer = tuple(
            f for f in kept if all(s in drawn for s in (*f.scope, *f.continuous) if s in random)
        )
        if len(fewer) == len(kept):
            return kept
        kept = fewer


# --- Q -----------------------------------------------------------------------------------------


def expected(
    model: Model,
    data: Arrays,
    params: Arrays,
    found: Exact,
    sizes: Mapping[str, int] | None = None,
    about: frozenset[str] | None = None,
) -> float:
    """Q(params | the parameters `found` was made with) plus the log prior.

    about : leave out the nodes that none of these parameters touches: constants, in a difference.
    """
    here = world_of(model, data, params, sizes)
    world = replace(here, random=found.world.random, continuous=found.world.continuous)
    wanted = {
        v.name for v in model.variables if about is None or (v.dist and about & names_in(v.dist))
    }
    parts = [
        t.probability * t.factor.log_density(world, t.values)
        for c in found.components
        for t in c.terms
        if t.factor.node.name in wanted and t.probability > _NOTHING
    ]
    return math.fsum(parts) + log_prior(world)
