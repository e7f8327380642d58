"""Continuous sites that hang together, integrated out given each configuration of discrete ones.

    table(z) = log ∫ prod_f p_f(z, u)^times_f du

Where all sites are real and the sum of the logs is quadratic in them, that is dense algebra. Else
the sites that are not real are integrated numerically, with the real ones by algebra inside if
they are normal given those, numerically as well if not. A group is a table over discrete sites to
the rest of the oracle, as any factor is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from emdsl.model.kinds import Kind
from emdsl.verify.factors import Factor, Leaf, Region, Term, region_of
from emdsl.verify.gaussian import Floats, Normal, NotNormal, Part, normal
from emdsl.verify.integration import Grid, integral
from emdsl.verify.support import back, coordinates
from emdsl.verify.tied import tied
from emdsl.verify.world import Site, World

Values = Mapping[Site, Any]

_VERIFIED = 3  # normal laws given outer sites whose shape is looked at; the others' is the same


@dataclass(frozen=True, slots=True)
class Block:
    """A site's coordinates among those of its group: `start` to `stop` of them."""

    site: Site
    kind: Kind
    shape: tuple[int, ...]
    start: int
    stop: int

    def value(self, free: Floats) -> tuple[Floats, float]:
        """The site's value at its own coordinates, and the log of its volume there."""
        return back(self.kind, self.shape, free)


def blocks(world: World, sites: Sequence[Site]) -> tuple[Block, ...]:
    """The sites' coordinates, one site after the other."""
    out: list[Block] = []
    for site in sites:
        kind, shape = world.model.variable(site[0]).type.kind, world.continuous[site]
        start = out[-1].stop if out else 0
        out.append(Block(site, kind, shape, start, start + coordinates(kind, shape)))
    return tuple(out)


# --- laws: what is known of continuous sites given a configuration ------------------------------


@dataclass(frozen=True, slots=True)
class Law:
    """A posterior of the sites of `outer`, on a grid, and of those of `inner`, normal given them.

    error : of the evidence, relative, as estimated
    grid  : None where there are no outer sites
    given : the normal law at values of the coordinates of `read`, those of the outer sites that it
            depends on; None where there are no inner sites
    """

    log_evidence: float
    error: float
    outer: tuple[Block, ...]
    inner: tuple[Block, ...]
    grid: Grid | None = None
    read: tuple[Block, ...] = ()
    given: Callable[[Floats], Normal] | None = None

    def points(self, sites: Sequence[Site]) -> Iterator[tuple[dict[Site, Any], float]]:
        """Values of these sites with probabilities: sums over them are expectations.

        Exact where the function is quadratic in the inner sites, given the outer ones.
        """
        if self.log_evidence == -np.inf:
            return
        inner = tuple(b for b in self.inner if b.site in sites)
        if inner and self.read and all(b.site not in sites for b in self.outer):
            yield from self._overall(inner)
            return
        outer = tuple(b for b in self.outer if b.site in sites or (inner and b in self.read))
        for free, odds in _points(self.grid, outer):
            place = list(_split(outer, free))
            own = {b.site: b.value(x)[0] for b, x in place if b.site in sites}
            if not inner:
                yield own, odds
                continue
            assert self.given is not None
            normal_law = self.given(
                np.concatenate([np.zeros(0), *(x for b, x in place if b in self.read)])
            )
            at = [i for b in inner for i in range(b.start, b.stop)]
            for x, weight in normal_law.points(at):
                yield own | {b.site: b.value(y)[0] for b, y in _split(inner, x)}, odds * weight

    def _overall(self, inner: tuple[Block, ...]) -> Iterator[tuple[dict[Site, Any], float]]:
        """Points with the mean and covariance that inner sites have when the outer ones vary."""
        assert self.given is not None
        at = [i for b in inner for i in range(b.start, b.stop)]
        each = [(self.given(free), odds) for free, odds in _points(self.grid, self.read)]
        odds = np.array([p for _, p in each])
        means = np.array([law.mean[at] for law, _ in each])
        mean = odds @ means / odds.sum()
        within = sum(p * law.covariance[np.ix_(at, at)] for law, p in each)
        covariance = (within + ((means - mean).T * odds) @ (means - mean)) / odds.sum()
        for x, weight in Normal(0.0, mean, covariance).points(range(len(at))):
            yield {b.site: b.value(y)[0] for b, y in _split(inner, x)}, weight


def _points(grid: Grid | None, own: Sequence[Block]) -> Iterator[tuple[Floats, float]]:
    if grid is None or not own:
        yield np.zeros(0), 1.0
    else:
        yield from grid.points([i for b in own for i in range(b.start, b.stop)])


def _split(own: Sequence[Block], free: Floats) -> Iterator[tuple[Block, Floats]]:
    """The coordinates of some blocks, one after the other, as each one's."""
    start = 0
    for b in own:
        stop = start + b.stop - b.start
        yield b, free[start:stop]
        start = stop


Density = tuple[Factor, float]  # a factor and how often it counts


def law(world: World, sites: Sequence[Site], members: Sequence[Density], chosen: Values) -> Law:
    """The posterior of continuous sites given the discrete ones.

    Raises NotImplementedError where there are too many coordinates to integrate numerically, and
    NotIntegrated where that is not accurate.
    """
    real = [s for s in sites if world.model.variable(s[0]).type.kind == "real"]
    rest = [s for s in sites if s not in real]
    with np.errstate(all="ignore"):  # at the ends of the numbers, where the density is zero
        if real:
            try:
                return _law(world, rest, real, members, chosen)
            except NotNormal:
                pass
        return _law(world, sites, (), members, chosen)


def _law(
    world: World,
    outside: Sequence[Site],
    inside: Sequence[Site],
    members: Sequence[Density],
    chosen: Values,
) -> Law:
    """With normal integrals over the sites `inside`. Raises NotNormal."""
    outer, inner = blocks(world, outside), blocks(world, inside)
    deep = [m for m in members if any(s in inside for s in m[0].continuous)]
    read = tuple(b for b in outer if any(b.site in f.continuous for f, _ in deep))

    seen: list[Normal] = []  # the first few, which are verified, and the last

    @cache_by_bytes
    def given(free: Floats) -> Normal:
        known = {**chosen, **{b.site: b.value(x)[0] for b, x in _split(read, free)}}
        near = seen[-1] if len(seen) > _VERIFIED else None
        found = normal([_part(world, m, inner, known) for m in deep], inner[-1].stop, near)
        if found.log_evidence > -np.inf:
            seen.append(found)
        return found

    if not outer:
        return Law(given(np.zeros(0)).log_evidence, 0.0, (), inner, given=given)
    parts = [_part(world, m, outer, chosen) for m in members if m not in deep]
    parts += [_volume(b) for b in outer]
    if inner:
        at = tuple(i for b in read for i in range(b.start, b.stop))
        parts.append(Part(lambda free: given(free).log_evidence, at))
    grid = integral(parts, outer[-1].stop)
    return Law(grid.log_evidence, grid.error, outer, inner, grid, read, given if inner else None)


def cache_by_bytes(function: Callable[[Floats], Normal]) -> Callable[[Floats], Normal]:
    """The function with its answers remembered: grids ask for the same places again."""
    known: dict[bytes, Normal] = {}

    def remembered(free: Floats) -> Normal:
        key = free.tobytes()
        if key not in known:
            known[key] = function(free)
        return known[key]

    return remembered


def _part(world: World, member: Density, free: Sequence[Block], known: Values) -> Part:
    """A factor as a function of the coordinates of those of these sites that it reads."""
    factor, times = member
    own = tuple(b for b in free if b.site in factor.continuous)

    def log_density(x: Floats) -> float:
        values = {**known, **{b.site: b.value(y)[0] for b, y in _split(own, x)}}
        try:
            return times * factor.log_density(world, values)
        except np.linalg.LinAlgError:  # a matrix of numbers too small or large
            return -math.inf

    return Part(log_density, tuple(i for b in own for i in range(b.start, b.stop)))


def _volume(b: Block) -> Part:
    return Part(lambda free: b.value(free)[1], tuple(range(b.start, b.stop)))


# --- groups ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """Continuous sites as a table over the discrete sites that their factors read.

    members : the factors, and how often each counts within the group
    leaves  : the log evidence for each configuration; `laws`, what is known then, in that order
    """

    sites: tuple[Site, ...]
    members: tuple[Density, ...]
    region: Region
    scope: tuple[Site, ...]
    leaves: tuple[Leaf, ...]
    laws: tuple[Law, ...]

    @property
    def label(self) -> str:
        """What it is called in a message."""
        return f"what reads {self.sites[0]}"

    @property
    def roots(self) -> frozenset[tuple[str, int]]:
        """The outermost plates' elements it stands in."""
        return frozenset(root for f, _ in self.members for root in f.roots)

    @property
    def in_no_plate(self) -> bool:
        """Whether some of it belongs to no element of the data."""
        return any(f.in_no_plate for f, _ in self.members)

    @property
    def drawn(self) -> frozenset[Site]:
        """The variables at their places."""
        return frozenset(s for f, _ in self.members for s in f.drawn)

    def law(self, chosen: Values) -> Law:
        """What is known of the sites given the discrete ones."""
        return next(
            found
            for (known, _), found in zip(self.leaves, self.laws, strict=True)
            if all(chosen[s] == x for s, x in known.items())
        )

    def terms(self, chosen: Values, probability: float) -> Iterator[Term]:
        """What its factors add to Q where the discrete sites have these values."""
        if probability <= 0.0:
            return
        found = self.law(chosen)
        for f, times in self.members:
            for values, odds in found.points(f.continuous):
                yield Term(f, {**chosen, **values}, probability * times * odds)


def grouped(world: World, factors: Sequence[Factor]) -> tuple[Factor | Group, ...]:
    """The factors with every continuous site integrated out.

    Raises NotImplementedError as `law` does, and where sites that hang together count differently
    often, being in different weighted elements.
    """
    find = tied(world.continuous, (f.continuous for f in factors))
    found: dict[Site, list[Factor]] = {}
    for f in factors:
        if f.continuous:
            found.setdefault(find(f.continuous[0]), []).append(f)
    plain = [f for f in factors if not f.continuous]
    return (*plain, *(_group(world, members) for members in found.values()))


def _group(world: World, factors: Sequence[Factor]) -> Group:
    sites = tuple(sorted({s for f in factors for s in f.continuous}))
    regions = {region_of(world.model.variable(s[0]).plates, s[1], world) for s in sites}
    region = next(iter(regions))
    if len(regions) > 1 or any(f.region[: len(region)] != region for f in factors):
        raise NotImplementedError(f"{sites[0]} and what reads it count differently often")
    members = tuple((f, math.prod(w for _, _, w in f.region[len(region) :])) for f in factors)
    members = tuple(m for m in members if m[1] != 0.0)
    scope = tuple(sorted({s for f, _ in members for s in f.scope}))
    leaves: list[Leaf] = []
    laws: list[Law] = []
    for values in product(*(range(world.random[s]) for s in scope)):
        chosen = dict(zip(scope, values, strict=True))
        laws.append(law(world, sites, members, chosen))
        leaves.append((chosen, laws[-1].log_evidence))
    return Group(sites, members, region, scope, tuple(leaves), tuple(laws))
