"""The complete-data log likelihood, node by node, as monomials over named axes.

    log p(x, z | theta) = sum over nodes, plates and entries of  weight x log p(node | parents)

A discrete latent is an axis: its value is a number the axis stands for, a gather by it is that axis
of the gathered array, and its own indicator [z = k] is where the E-step puts its posterior.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import sympy as sp

from emdsl.derive.apart import entry_by_entry
from emdsl.derive.atoms import Elem, Ix, LogInd, Seen, SumOf
from emdsl.derive.densities import DensityOf, Variate, branches
from emdsl.derive.levels import Level, Levels
from emdsl.derive.limited import limits_of
from emdsl.derive.links import linked
from emdsl.derive.location import (
    CARRIER,
    Linear,
    Location,
    centered,
    centered_end,
    linear_part,
    location_of,
)
from emdsl.derive.monomials import Monomial, monomials
from emdsl.derive.refusal import Refused
from emdsl.derive.restricted import log_restriction
from emdsl.derive.scalarize import Guarded, Scalarizer, certain, combine
from emdsl.derive.shifts import Equation, Shifts, shifts_of
from emdsl.derive.table import Atoms
from emdsl.derive.user_density import family_of
from emdsl.diagnostics import CompileError, Diagnostic
from emdsl.families import FAMILIES
from emdsl.families.family import Family
from emdsl.model.check import references_in
from emdsl.model.drawn import leaves
from emdsl.model.graph import (
    ArrayOf,
    AxisRef,
    Distribution,
    Draw,
    Extent,
    Fixed,
    Limited,
    Model,
    Param,
    Ref,
    Variable,
)
from emdsl.source import Span


@dataclass(frozen=True)
class Node:
    """A node's share of the log joint; `log_density` is before multiplying out, for reports."""

    name: str
    role: str
    plates: tuple[str, ...]
    log_density: sp.Expr
    monomials: tuple[Monomial, ...]
    span: Span


@dataclass(frozen=True)
class Joint:
    """The log joint. `pivots` maps a location parameter to its dimensions the pivot keeps;
    `shifts` says which share one, and which latents are about them.
    """

    model: Model
    atoms: Atoms
    levels: Levels
    pivots: dict[str, tuple[int, ...]]
    nodes: tuple[Node, ...]
    priors: tuple[Node, ...]
    shifts: Shifts = field(default_factory=Shifts)

    def seen_places(self, node: Node) -> list[tuple[Ix, ...]]:
        """The places at which a node's data are masked where they are missing."""
        found = {a for m in node.monomials for a in self.atoms.deep(m.data) if isinstance(a, Seen)}
        return [a.idx for a in sorted(found, key=self.atoms.text) if a.name == node.name]


def joint_of(model: Model, summed: tuple[str, ...], only: tuple[str, ...] = ()) -> Joint:
    """Derive the joint. `summed` names the discrete variables the E-step sums over.

    Of the variables `only` alone where they are given, without priors.

    Raises CompileError with every node that can't be derived.
    """
    atoms = Atoms()
    atoms.param_dims = {p.name: p.shape for p in model.params}
    atoms.latent_dims = {v.name: v.type.shape for v in model.variables if v.role == "latent"}
    atoms.single = next((p.axis for p in model.plates if p.single), "")
    for plate in model.plates:
        atoms.add_axis(plate.axis, "plate", plate.extent)
    levels = Levels(model, summed)
    for v in model.variables:
        level = levels.of(v)
        if level.plates and level.axis not in atoms.axes:
            atoms.add_axis(level.axis, "plate", model.plate(level.plates[-1]).extent)
    for name, axis in levels.axes.items():
        atoms.add_axis(axis, "latent", _values(model.variable(name)))
    families = {**FAMILIES, **{d.name: family_of(d, model) for d in model.densities}}
    deriver = _Deriver(model, atoms, levels, families)
    problems: list[Diagnostic] = []
    wanted = [v for v in model.variables if not only or v.name in only]
    deriver.pivots = dict(deriver.find_pivots(wanted, problems))
    deriver.shifts = deriver.find_shifts(wanted, problems)
    deriver.pivots |= deriver.shifts.kept
    nodes = [
        node
        for v in wanted
        if v.role in ("latent", "data")
        for node in _attempt(problems, lambda v=v: deriver.variable(v))  # type: ignore[misc] # bound
    ]
    priors = [
        node
        for p in model.params
        if p.prior is not None and not only
        for node in _attempt(problems, lambda p=p: deriver.prior(p))  # type: ignore[misc] # bound
    ]
    if problems:
        raise CompileError(model.source, tuple(dict.fromkeys(problems)))
    return Joint(model, atoms, levels, deriver.pivots, tuple(nodes), tuple(priors), deriver.shifts)


def _without_limits(dist: Distribution, what: str, kinds: tuple[str, ...]) -> None:
    """Refuse what isn't recorded as it is, of things that aren't recorded at all."""
    for leaf in leaves(dist):
        if isinstance(leaf, Limited) and leaf.kind in kinds:
            raise Refused(
                "limited-density",
                f"{what} can't be {leaf.kind}: limits say how data were recorded",
                leaf.span,
                f"write `{leaf.base.family}(...)` by itself",
            )


def _attempt(problems: list[Diagnostic], make: Callable[[], Node]) -> Iterator[Node]:
    try:
        yield make()
    except Refused as refused:
        problems.append(refused.diagnostic)


def _values(v: Variable) -> Extent:
    """How many values a finite variable has."""
    extent = Fixed(2) if v.type.kind == "bool" else v.type.values
    if extent is None:
        raise AssertionError("the strategy lets finite latents through only")
    return extent


@dataclass
class _Deriver:
    model: Model
    atoms: Atoms
    levels: Levels
    families: dict[str, Family]
    pivots: dict[str, tuple[int, ...]] = field(default_factory=dict)
    shifts: Shifts = field(default_factory=Shifts)
    level: Level | None = None  # of the node at hand
    locations: dict[str, Location | None] = field(default_factory=dict)  # of limited draws

    def limited(self, dist: Limited) -> Draw:
        """A distribution with limits as a draw from a family of its own."""
        found = limits_of(dist, self.families, self.model)
        self.families[found.draw.family] = found.family
        self.locations[found.draw.family] = found.location
        return found.draw

    def _location(self, draw: Draw) -> Location | None:
        if draw.family in self.locations:
            return self.locations[draw.family]
        return location_of(self.families[draw.family], tuple(n for n, _ in draw.args))

    def _scalarizer(self, *, centered: bool = False) -> Scalarizer:
        return Scalarizer(
            self.model, self.atoms, self.levels, self.level, self.pivots,
            centered=centered, shifts=self.shifts,
        )  # fmt: skip

    # -- pivots --

    def find_pivots(
        self, variables: list[Variable], problems: list[Diagnostic]
    ) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Location parameters of data nodes: those dimensions a latent doesn't index are kept."""
        kept: dict[str, set[int]] = {}
        for v in variables:
            if v.role != "data" or v.dist is None or v.name in self.levels.axes:
                continue
            self.level = self.levels.of(v)
            s = self._scalarizer()
            try:
                for _, draw in branches(v.dist, s, self.limited):
                    for elem in self._location_params(v, draw, s) or ():
                        latents = self.atoms.latent_axes()
                        dims = {i for i, ix in enumerate(elem.idx) if ix not in latents}
                        kept[elem.name] = kept.get(elem.name, dims) & dims
            except Refused as refused:
                problems.append(refused.diagnostic)
        for name, dims in kept.items():
            yield name, tuple(sorted(dims))

    def _location_params(self, v: Variable, draw: Draw, s: Scalarizer) -> tuple[Elem, ...] | None:
        location = self._location(draw)
        if location is None:
            return None
        arg = dict(draw.args)[location.argument]
        place = tuple(self.atoms.fresh(e) for e in v.type.shape)
        found = linear_part(arg, place, s)
        return found.moved if found is not None else None

    def find_shifts(self, variables: list[Variable], problems: list[Diagnostic]) -> Shifts:
        """The latents, and their locations' parameters, that bear the location of data."""
        equations: list[Equation] = []
        # a prior would draw a pivot that latents bear away from the data
        spoiled = {p.name for p in self.model.params if p.prior and p.name not in self.pivots}
        if not any(v.role == "latent" and v.type.kind == "real" for v in variables):
            return Shifts()
        for v in variables:
            if v.role not in ("data", "latent") or v.dist is None:
                continue
            self.level = self.levels.of(v)
            try:
                for _, draw in branches(v.dist, self._scalarizer(), self.limited):
                    equations += self._equations(v, draw, spoiled)
            except Refused as refused:
                problems.append(refused.diagnostic)
        return shifts_of(equations, spoiled, self.pivots, self.atoms)

    def _equations(self, v: Variable, draw: Draw, spoiled: set[str]) -> Iterator[Equation]:
        """A draw's location, case by case; what else it has to do with is told to be `spoiled`."""
        location = self._location(draw) if v.type.kind == "real" or v.role == "data" else None
        name = location.argument if location is not None and v.name not in self.levels.axes else ""
        for other, arg in draw.args:
            if other != name:
                spoiled |= {ref.name for ref, _ in references_in(arg)}
        if not name:
            spoiled.add(v.name)
            return
        place = tuple(self.atoms.fresh(e) for e in v.type.shape)
        for _, found in self._scalarizer(centered=True).scalar(dict(draw.args)[name], place):
            yield Equation(v.name, v.role, place, found)

    # -- nodes --

    def variable(self, v: Variable) -> Node:
        assert v.dist is not None
        if v.role == "latent":
            _without_limits(v.dist, f"the latent `{v.name}`", ("censored", "interval"))
        ref = Ref(v.name, v.role, tuple(AxisRef(a, v.span) for a in v.plates), v.span, v.type.shape)
        axis = self.levels.axes.get(v.name)
        self.level = self.levels.of(v)
        plates = (self.level.axis, *self.levels.inner(v)) if v.plates else ()
        total, places = self._log_density(v.dist, ref, axis, observed=v.role == "data")
        if v.role == "data" and axis is not None:
            s = self._scalarizer()
            seen = self.atoms.symbol(Seen(v.name, plates))
            given = self.atoms.symbol(Elem("data", v.name, plates, v.type.kind))
            same = sp.Or(sp.Eq(seen, 0), sp.Eq(given, s.number_of(axis)))
            total = total + self.atoms.symbol(LogInd(same))
        for plate in self.levels.inner(v):
            weight = self.model.plate(plate).weight
            if weight is not None:
                total = total * self._scalarizer().scalar(weight)[0][1]
        bound = frozenset((*plates, *places))
        return Node(
            v.name, v.role, plates, total,
            monomials(total, bound, self.atoms, v.span), v.span,
        )  # fmt: skip

    def prior(self, p: Param) -> Node:
        assert p.prior is not None
        _without_limits(p.prior, f"the prior of `{p.name}`", ("censored", "interval"))
        self.level = None
        axes = tuple(self.atoms.fresh(e) for e in p.batch)
        ref = Ref(p.name, "param", tuple(AxisRef(a, p.span) for a in axes), p.span, p.type.shape)
        total, places = self._log_density(p.prior, ref, None, observed=False)
        total = total + self._restriction(p)
        bound = frozenset((*axes, *places))
        return Node(p.name, "prior", (), total, monomials(total, bound, self.atoms, p.span), p.span)

    def _restriction(self, p: Param) -> sp.Expr:
        """What a prior on more values than the parameter has gains by being on these alone."""
        assert p.prior is not None
        s = self._scalarizer()
        total: sp.Expr = sp.Integer(0)
        for condition, draw in branches(p.prior, s, self.limited):
            family = self.families[draw.family]
            places = {n: tuple(self.atoms.fresh(e) for e in arg.shape) for n, arg in draw.args}
            parts = {n: s.scalar(arg, places[n]) for n, arg in draw.args if not family.event}
            if not parts or any(len(part) > 1 for part in parts.values()):
                continue
            arguments = {n: part[0][1] for n, part in parts.items()}
            gain = log_restriction(family, draw, p.type.kind, arguments)
            total += s.indicator(condition) * gain
        return total

    def _log_density(
        self, dist: Distribution, ref: Ref, axis: str | None, *, observed: bool
    ) -> tuple[sp.Expr, tuple[str, ...]]:
        s = self._scalarizer()
        draws = branches(dist, s, self.limited)
        if observed and axis is None:
            draws = entry_by_entry(draws, self.families, s)
        event = max(self.families[d.family].event for _, d in draws)
        leading = ref.shape[: len(ref.shape) - event]
        places = tuple(self.atoms.fresh(e) for e in leading)
        total: sp.Expr = sp.Integer(0)
        for condition, draw in draws:
            # where another branch draws whole vectors, one that draws entries is summed over them
            own = ref.shape[len(leading) : len(ref.shape) - self.families[draw.family].event]
            inner = tuple(self.atoms.fresh(e) for e in own)
            density = self._one(draw, ref, axis, (*places, *inner), s, observed=observed)
            total += s.indicator(condition) * (self.atoms.sum(inner, density) if inner else density)
        if observed and axis is None:
            assert self.level is not None
            inner = self.levels.inner(self.model.variable(ref.name))
            total = total * self.atoms.symbol(Seen(ref.name, (self.level.axis, *inner, *places)))
        return total, places

    def _one(
        self,
        draw: Draw,
        ref: Ref,
        axis: str | None,
        places: tuple[str, ...],
        s: Scalarizer,
        *,
        observed: bool,
    ) -> sp.Expr:
        family = self.families[draw.family]
        self._fits(draw, family, ref)
        self._adds_to_one(draw, family, s)
        draw = linked(draw, family)
        density = DensityOf(family, draw, Variate(ref, axis), s)
        location = self._location(draw) if observed else None
        if location is not None and axis is None:
            about = self._about_pivot(density, location)
            if about is not None:
                density = about
        parts = density.at(places)
        if any(value.has(sp.I) for _, value in parts):
            raise Refused(
                "negative-density",
                f"the log of {draw.family} has the log of a negative number in it",
                draw.span,
                "a density is positive: check its sign, and write a negative factor such as "
                "log(1 - p) as -log(1 / (1 - p))",
            )
        return sp.Add(*(self._guarded(c, value, s) for c, value in parts))

    def _adds_to_one(self, draw: Draw, family: Family, s: Scalarizer) -> None:
        """Refuse written-out probabilities that don't add to 1 at some value of the parameters."""
        simplexes = {p.name for p in family.parameters if p.kind == "simplex"}
        for name, arg in draw.args:
            if name not in simplexes or not isinstance(arg, ArrayOf):
                continue
            parts = [s.scalar(item) for item in arg.items]
            if any(len(p) != 1 for p in parts):
                continue
            total = sp.Add(*(p[0][1] for p in parts))
            inner = sorted(total.free_symbols, key=str)
            if any(isinstance(self.atoms.atom(x), SumOf) for x in inner):
                continue
            # two irrational points: equal to 1 at both by chance is as good as impossible
            for shift in (sp.sqrt(2), sp.sqrt(5)):
                point = {x: 1 / (shift + i + 2) for i, x in enumerate(inner)}
                if abs(float(total.xreplace(point)) - 1.0) > 1e-9:
                    raise Refused(
                        "improper-probabilities",
                        f"these probabilities add to {total}, not to 1",
                        draw.span,
                        "write the last one as 1 less the others, or use a simplex parameter",
                    )

    def _guarded(self, condition: sp.Basic, value: sp.Expr, s: Scalarizer) -> sp.Expr:
        """[condition] value; a log of zero (`[p, 0, 1 - p]`) says that the branch is impossible."""
        if not value.has(sp.zoo, sp.oo, sp.nan):
            return s.indicator(condition) * value
        out: list[sp.Expr] = []
        for term in sp.Add.make_args(value):
            if not term.has(sp.zoo, sp.oo, sp.nan):
                out.append(s.indicator(condition) * term)
                continue
            weight = sp.Mul(
                *(f for f in sp.Mul.make_args(term) if not f.has(sp.zoo, sp.oo, sp.nan))
            )
            harmless = sp.Or(sp.Not(condition), sp.Eq(weight, 0))  # 0 log 0 is 0
            out.append(self.atoms.symbol(LogInd(harmless)))
        return sp.Add(*out)

    def _about_pivot(self, density: DensityOf, found: Location) -> DensityOf | None:
        """The density with variate and location about the pivot, where the location is linear."""
        arg = dict(density.draw.args)[found.argument]
        argument = density.family.symbol(found.argument)
        variate = density.variate.expr
        assert isinstance(variate, Ref)
        s = self._scalarizer(centered=True)

        def linear(place: tuple[Ix, ...]) -> Linear | None:
            return linear_part(arg, place, s, offsets=True)

        rank = len(variate.shape) - (density.family.event if found.ends else 0)
        probe = tuple(self.atoms.fresh(e) for e in variate.shape[:rank])
        if linear(probe) is None:
            return None
        ends = dict(found.ends)

        def override(symbol: sp.Symbol, place: tuple[Ix, ...]) -> Guarded | None:
            if symbol in ends:
                about = linear(place[len(place) - rank :] if rank else ())
                assert about is not None
                return combine(
                    [density.at_symbol(ends[symbol], place)],
                    lambda end: centered_end(end, found.through, about, s),
                )
            if symbol not in (CARRIER, argument):
                return None
            at = place[len(place) - rank :] if rank else ()
            location = linear(at)
            assert location is not None
            x, m = centered(s.elem(variate, at), found.through, location, s)
            return certain(x if symbol == CARRIER else m)

        return replace(density, tree=found.tree, override=override)

    def _fits(self, draw: Draw, family: Family, ref: Ref) -> None:
        """Refuse a branch whose support is narrower than its variate's declared values."""
        kind = (
            self.model.param(ref.name).type.kind
            if ref.role == "param"
            else self.model.variable(ref.name).type.kind
        )
        narrower = {"real": ("positive", "unit"), "positive": ("unit",), "count": ("bool",)}
        if family.kind in narrower.get(kind, ()):
            raise Refused(
                "narrow-branch",
                f"`{ref.name}` is {kind}, but {family.name} draws only {family.kind} values: "
                "its density elsewhere is zero, which a sum of monomials can't say",
                draw.span,
                f"declare `{ref.name}` as {family.kind}",
            )
