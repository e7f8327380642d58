"""The expected sufficient statistics: what the E-step is asked for and the M-step is given.

Each monomial's data part splits, by what changes along the plate, into a feature and a factor that
doesn't:

    sum_n E[ [z_n = k] T(x_n, a) ] C(k, a) phi(theta; k, a)  =  S(k, a) C(k, a) phi(theta; k, a)

Equal features up to the names of their axes are one statistic, computed once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import permutations

import sympy as sp

from emdsl.derive.atoms import Atom, Centered, Elem, Ind, Ix, LogInd, Seen, Stat, Value
from emdsl.derive.cuts import Cut, Possible, cuts_of, possible_of
from emdsl.derive.joint import Joint, Node
from emdsl.derive.live import Live, live_term
from emdsl.derive.moments import Moment, Taken, latent_part, moment_of
from emdsl.derive.monomials import Monomial
from emdsl.derive.table import Atoms
from emdsl.source import Span


@dataclass(frozen=True)
class Feature:
    """A function of one plate element's data, over feature axes, summed over `sums`.

    `seen` names the data array where the feature is nothing but its mask; `symmetric` says that
    its two axes can be exchanged; `count` that no data (only inputs and masks) are in it. A live
    feature has `params`, and may depend on the latents of its statistic's scope.
    """

    name: str
    expr: sp.Expr
    axes: tuple[str, ...]
    sums: tuple[str, ...]
    symmetric: bool
    seen: str | None
    count: bool = False
    params: tuple[str, ...] = ()


@dataclass(frozen=True)
class Statistic:
    """E[indicators of the latents in `scope` x feature], summed over the plate with its weights.

    Where continuous latents are in it, `moment` is a factor, whose axes follow the scope.
    """

    name: str
    plate: str
    scope: tuple[str, ...]
    feature: Feature
    moment: Moment | None = None

    @property
    def axes(self) -> tuple[str, ...]:
        inner = () if self.moment is None else self.moment.axes
        return (*self.scope, *inner, *self.feature.axes)

    def at(self, places: tuple[Ix, ...]) -> Stat:
        """The statistic's entry at these places, its sign known from the feature's."""
        expr = self.feature.expr
        moment = self.moment
        inner: sp.Expr = sp.Integer(1) if moment is None else moment.expr
        return Stat(
            self.name,
            places,
            bool((expr * inner).is_nonnegative),
            self.feature.symmetric
            or (moment is not None and moment.symmetric and not self.feature.axes),
            self.feature.count and moment is None,
            self.feature.params,
            moment is not None and moment.mirrored,
        )


@dataclass(frozen=True)
class Term:
    """A summand of Q: number x statistic x factor x basis, summed over all its axes.

    `statistic` is None for a prior's term; `places` are the axes the statistic is taken at.
    """

    number: sp.Expr
    factor: sp.Expr
    statistic: Statistic | None
    places: tuple[str, ...]
    basis: sp.Expr
    axes: frozenset[str]
    node: str
    span: Span

    def weight(self, atoms: Atoms) -> sp.Expr:
        """Everything but the basis, as one scalar."""
        stat: sp.Expr = sp.Integer(1)
        if self.statistic is not None:
            stat = atoms.symbol(self.statistic.at(self.places))
        return self.number * self.factor * stat


@dataclass(frozen=True)
class Given:
    """A parameter-free function of an element's data and latents' values, added to the log joint.

    What rules configurations out (`log [y = cell[z]]`) is of this kind.
    """

    expr: sp.Expr
    scope: tuple[str, ...]
    sums: tuple[str, ...]
    plate: str
    span: Span


@dataclass(frozen=True)
class Derived:
    """The joint as statistics: the terms of each plate's elements, and of the priors."""

    joint: Joint
    terms: tuple[Term, ...]
    given: tuple[Given, ...]
    priors: tuple[Term, ...]
    statistics: tuple[Statistic, ...]
    live: tuple[Live, ...] = ()
    live_terms: tuple[Term, ...] = ()  # the same, as the M-step sees them
    cuts: tuple[Cut, ...] = ()  # continuous latents that data keep between bounds

    @property
    def shares(self) -> tuple[Term, ...]:
        """Every term of Q."""
        return (*self.terms, *self.live_terms, *self.priors)


def statistics_of(joint: Joint) -> Derived:
    """Split every monomial; those that can't be separated are live."""
    splitter = _Splitter(joint)
    terms: list[Term] = []
    given: list[Given] = []
    live: list[Live] = []
    possible: list[Possible] = []
    for node in joint.nodes:
        for m in node.monomials:
            if m.mixed:
                live.append(live_term(m, node.plates[0], node.name, joint.atoms))
                continue
            found = splitter.split(m, node)
            match found:
                case Term():
                    terms.append(found)
                case Given():
                    given.append(found)
                case Possible():
                    possible.append(found)
    priors = [splitter.prior(m, node) for node in joint.priors for m in node.monomials]
    statistics = tuple(splitter.statistics.values())
    return Derived(
        joint,
        tuple(terms),
        tuple(given),
        tuple(priors),
        statistics,
        tuple(live),
        tuple(splitter.live(x) for x in live),
        cuts_of(tuple(possible), joint.model, _own_rows(joint, possible), joint.atoms),
    )


def _own_rows(joint: Joint, possible: list[Possible]) -> dict[str, str]:
    names = {p.latent.name for p in possible}
    return {n: joint.levels.of(joint.model.variable(n)).axis for n in names}


class _Splitter:
    def __init__(self, joint: Joint) -> None:
        self.joint = joint
        self.atoms = joint.atoms
        self.features: dict[tuple[str, sp.Expr, tuple[str, ...], tuple[str, ...]], Feature] = {}
        self.statistics: dict[
            tuple[str, tuple[str, ...], str, tuple[sp.Expr, str] | None], Statistic
        ] = {}
        self.moments: dict[tuple[str, sp.Expr, tuple[str, ...]], Moment] = {}
        self.latents = joint.atoms.latent_axes()

    def split(self, m: Monomial, node: Node) -> Term | Given | Possible:
        plate = node.plates[0]
        atoms = self.atoms
        taken: Taken | None = None
        inner, rest = latent_part(m.data, atoms)
        if inner != 1:
            if rest == 1 and m.basis == 1:
                possible = possible_of(inner, m.axes, plate, atoms, m.span)
                if possible is not None:
                    return possible
            taken, m = self._taken(inner, rest, m, plate)
        moving, still, both = self._sort(m, plate)
        free = atoms.axes_of(m.basis) | atoms.axes_of(still)
        met = () if taken is None else taken.places
        scope = tuple(
            a for a in self.latents
            if a in free | atoms.axes_of(both)
        )  # fmt: skip
        if both != 1:
            if m.basis == 1 and taken is None:
                sums = tuple(sorted(m.axes - {plate, *self.latents}))
                return Given(m.number * moving * still * both, scope, sums, plate, m.span)
            both, still, free = self._disentangled(both, still, free)
            moving = moving * both
        feature, places = self._feature(moving, plate, free)
        known = {plate, *feature.sums, *places, *free, *met, *atoms.axes_of(moving)}
        number = m.number
        for axis in sorted(m.axes - known):  # summed over without depending on it
            number = number * self.atoms.size_of(axis)
        statistic = self._statistic(plate, scope, feature, None if taken is None else taken.moment)
        places = (*scope, *met, *places)
        axes = frozenset({*places, *free})
        return Term(_tidy(number), still, statistic, places, m.basis, axes, node.name, m.span)

    def _taken(
        self, inner: sp.Expr, rest: sp.Expr, m: Monomial, plate: str
    ) -> tuple[Taken, Monomial]:
        """The moment in a monomial, and what is left of it: its entries' axes are its own.

        f_l u_nl  ⇒  sum_l' [l = l'] f_l u_nl'
        """
        atoms = self.atoms
        taken = moment_of(inner, plate, atoms, self._canonical, m.span)
        found = taken.moment
        taken = replace(taken, moment=self.moments.setdefault(
            (plate, found.expr, found.axes), self._named(found)))  # fmt: skip
        same = list(taken.same)
        rest = rest * taken.picks
        moving = [f for f in sp.Mul.make_args(rest) if plate in atoms.axes_of(f)]
        still = [f for f in sp.Mul.make_args(rest) if plate not in atoms.axes_of(f)]
        shared: dict[str, Ix] = {}
        for axis in sorted(atoms.axes_of(sp.Mul(*moving)) & {*taken.places}):
            shared[axis] = atoms.fresh(atoms.axes[axis].extent)
            same.append((axis, str(shared[axis])))
        equal = [
            atoms.symbol(Ind(sp.Eq(atoms.symbol(Value(a)), atoms.symbol(Value(b)))))
            for a, b in same
        ]
        data = sp.Mul(atoms.rename(sp.Mul(*moving), shared), *still, *equal)
        return taken, replace(
            m, data=data, axes=m.axes | atoms.axes_of(taken.picks) | {b for _, b in same}
        )

    def _named(self, found: Moment) -> Moment:
        """The moment under a name that no other has."""
        taken = {known.name for known in self.moments.values()}
        name, count = found.name, 1
        while name in taken:
            count += 1
            name = f"{found.name}_{count}"
        return replace(found, name=name)

    def live(self, x: Live) -> Term:
        """A live term as number x factor x live statistic x basis."""
        atoms = self.atoms
        number, factor = x.still.as_independent(*x.still.free_symbols, as_Add=False)
        outside = atoms.axes_of(x.still) | atoms.axes_of(x.basis)
        inside = atoms.axes_of(x.moving) - {x.plate, *x.scope}
        shared = tuple(sorted(inside & outside))
        feature = Feature(
            f"live_{'_'.join(x.params)}",
            x.moving,
            shared,
            tuple(sorted(inside - outside)),
            False,
            None,
            False,
            x.params,
        )
        statistic = self._statistic(x.plate, x.scope, feature)
        axes = x.axes - {x.plate, *feature.sums}
        return Term(number, factor, statistic, (*x.scope, *shared), x.basis, axes, x.node, x.span)

    def _disentangled(
        self, both: sp.Expr, still: sp.Expr, free: frozenset[str]
    ) -> tuple[sp.Expr, sp.Expr, frozenset[str]]:
        """Data and a latent's value together, as data at every value, and which one it is.

        f(x_n, z)  ⇒  sum_a [a = z] f(x_n, a)
        """
        atoms = self.atoms
        names: dict[str, Ix] = {}
        for axis in sorted(atoms.axes_of(both) & set(self.latents)):
            names[axis] = atoms.fresh(atoms.axes[axis].extent)
            value, place = atoms.symbol(Value(str(names[axis]))), atoms.symbol(Value(axis))
            still = still * atoms.symbol(Ind(sp.Eq(value, place)))
        return (
            atoms.rename(both, names),
            still,
            free | {str(n) for n in names.values()} | set(names),
        )

    def prior(self, m: Monomial, node: Node) -> Term:
        free = self.atoms.axes_of(m.basis) | self.atoms.axes_of(m.data)
        number = m.number
        for axis in sorted(m.axes - free):
            number = number * self.atoms.size_of(axis)
        return Term(_tidy(number), m.data, None, (), m.basis, free, node.name, m.span)

    def _sort(self, m: Monomial, plate: str) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
        """Factors that move along the plate; that don't; that move and depend on a latent."""
        moving, still, both = [], [], []
        latents = set(self.latents)
        for factor in sp.Mul.make_args(m.data):
            axes = self.atoms.axes_of(factor)
            if plate not in axes:
                still.append(factor)
            elif axes & latents:
                both.append(factor)
            else:
                moving.append(factor)
        assert plate not in self.atoms.axes_of(m.basis)  # where a row stands is its data
        if any(self._is_log_indicator(f) for f in moving) and self._scope_of(still, m):
            both, moving = [*both, *moving], []
        return sp.Mul(*moving), sp.Mul(*still), sp.Mul(*both)

    def _is_log_indicator(self, factor: sp.Expr) -> bool:
        return isinstance(factor, sp.Symbol) and isinstance(self.atoms.atom(factor), LogInd)

    def _scope_of(self, still: list[sp.Expr], m: Monomial) -> bool:
        free = self.atoms.axes_of(m.basis).union(*(self.atoms.axes_of(f) for f in still))
        return bool(free & set(self.latents))

    # -- features --

    def _feature(
        self, moving: sp.Expr, plate: str, free: frozenset[str]
    ) -> tuple[Feature, tuple[str, ...]]:
        own = self.atoms.axes_of(moving) - {plate}
        shared = sorted(own & free)
        sums = sorted(own - free)
        best: tuple[str, sp.Expr, tuple[str, ...], tuple[str, ...], tuple[str, ...]] | None = None
        texts = set()
        for order in permutations(shared):
            names, axes = self._canonical(order, {})
            sum_names, sum_axes = self._canonical(tuple(sums), names)
            renaming: dict[str, Ix] = {**names, **sum_names}
            expr = self.atoms.rename(moving, renaming)
            text = str(expr)
            texts.add((text, axes))
            if best is None or (text, axes) < (best[0], best[2]):
                best = (text, expr, axes, sum_axes, tuple(order))
        assert best is not None
        _, expr, axes, sum_axes, order = best
        key = (plate, expr, axes, sum_axes)
        if key not in self.features:
            symmetric = len(axes) == 2 and len(texts) == 1 and len(list(permutations(shared))) == 2
            self.features[key] = Feature(
                self._name(expr),
                expr,
                axes,
                sum_axes,
                symmetric,
                None if sum_axes else self._seen(expr),
                not any(self._is_data(a) for a in self.atoms.deep(expr)),
            )
        return self.features[key], order

    def _is_data(self, atom: Atom) -> bool:
        return isinstance(atom, Centered) or (isinstance(atom, Elem) and atom.role == "data")

    def _canonical(
        self, order: tuple[str, ...], taken: dict[str, Ix], prefix: str = ""
    ) -> tuple[dict[str, Ix], tuple[str, ...]]:
        """Names for axes by extent and rank: d1, d2, v1; of a latent's entries f_l1."""
        names: dict[str, Ix] = {}
        used = set(taken.values())
        for axis in order:
            extent = self.atoms.axes[axis].extent
            stem = re.sub(r"\W.*", "", str(extent)).lower()
            stem = prefix + (stem if not stem.isdigit() else "i")
            rank = 1
            while f"{stem}{rank}" in used or not self._usable(f"{stem}{rank}", extent):
                rank += 1
            new = f"{stem}{rank}"
            used.add(new)
            names[axis] = new
            if new not in self.atoms.axes:
                self.atoms.add_axis(new, "event", extent)
        return names, tuple(str(names[a]) for a in order)

    def _usable(self, name: str, extent: object) -> bool:
        known = self.atoms.axes.get(name)
        return known is None or (known.role == "event" and known.extent == extent)

    def _seen(self, expr: sp.Expr) -> str | None:
        atom = self.atoms.atom(expr) if isinstance(expr, sp.Symbol) else None
        return atom.name if isinstance(atom, Seen) else None

    def _name(self, expr: sp.Expr) -> str:
        """A Python name for a feature: `x_x`, `log_y`, `y_is`, `x_seen`."""
        words: list[str] = []
        for factor in sp.Mul.make_args(expr):
            base, power = factor.as_base_exp()
            word = self._word(base)
            if word is None:
                continue
            if power.is_Integer and 1 < int(power) <= 3:
                words.extend([word] * int(power))
            elif power != 1:
                words.append(f"{word}_to_{power}")
            else:
                words.append(word)
        data = [w for w in words if not w.endswith("_seen")]
        name = "_".join(sorted(data or words)) or "n"
        name = re.sub(r"\W+", "_", name.replace("-", "minus_")).strip("_")
        taken = {f.name for f in self.features.values()}
        unique, count = name, 1
        while unique in taken:
            count += 1
            unique = f"{name}_{count}"
        return unique

    def _word(self, base: sp.Expr) -> str | None:
        if isinstance(base, sp.Symbol):
            match self.atoms.atom(base):
                case Centered(of=Elem(name=name), through=through):
                    return f"{through}_{name}" if through else name
                case Elem(name=name):
                    return name
                case Seen(name=name):
                    return f"{name}_seen"
                case Ind(condition=c):
                    names = sorted({a.name for a in self.atoms.deep(c) if isinstance(a, Elem)})
                    return "_".join([*names, "is"])
                case LogInd():
                    return "log_possible"
                case _:
                    return None
        if base.free_symbols:
            inner = [self._word(s) for s in sorted(base.free_symbols, key=str)]
            return "_".join([type(base).__name__.lower(), *(w for w in inner if w)])
        return None

    def _statistic(
        self, plate: str, scope: tuple[str, ...], feature: Feature, moment: Moment | None = None
    ) -> Statistic:
        whole = f"{feature.name} {feature.expr}" if feature.params else feature.name
        key = (plate, scope, whole, None if moment is None else (moment.expr, moment.name))
        if key not in self.statistics:
            words = [*scope, *([] if moment is None else [moment.name])]
            name = "_".join([*words, *([feature.name] if feature.name != "n" or not words else [])])
            taken = {s.name for s in self.statistics.values()}
            unique, count = name, 1
            while unique in taken:
                count += 1
                unique = f"{name}_{count}"
            self.statistics[key] = Statistic(unique, plate, scope, feature, moment)
        return self.statistics[key]


def _tidy(number: sp.Expr) -> sp.Expr:
    """-D log(pi)/2 - D log(2)/2  ⇒  -D (log(2) + log(pi))/2."""
    return sp.factor_terms(number) if number.has(sp.log) else number
