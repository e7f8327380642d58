"""The data side of a piece: one row for each feature, computed once for all iterations.

log joint of a cluster = coefficients (C, F) @ features (F, B)  + what has no parameter
"""

from __future__ import annotations

import math

import sympy as sp

from emdsl.derive.atoms import Elem, Seen
from emdsl.derive.cuts import Cut
from emdsl.derive.picks import picked
from emdsl.derive.statistics import Feature, Given
from emdsl.inference.plan import Cluster
from emdsl.ir.nodes import (
    Assign,
    Axis,
    Bind,
    Comment,
    Expr,
    Function,
    Kernel,
    Lit,
    Map,
    Range,
    Return,
    Stmt,
    Whole,
    axes_of,
)
from emdsl.lower.blocks import BlockContext
from emdsl.lower.fetch import sizes_of
from emdsl.lower.integrate import cut_in
from emdsl.lower.scalar import ScalarLowering

_FEATURES = (("block", "rt.Blocks"), ("layout", "rt.Layout"), ("pivot", "rt.Params"))


class FeatureLowering(BlockContext):
    """Writes the features function of one piece."""

    def features(self) -> Function:
        s = self.scalars()
        self.wanted.append(s.wants)
        body: list[Stmt] = []
        groups: list[list[str]] = []
        made: dict[Feature, str] = {}
        again = {f for c in self.plan.clusters for f in c.features}  # summed at every iteration
        everything = [
            self.plan.direct_features,
            *(() if self._elsewhere(c) else c.features for c in self.plan.clusters),
        ]
        for features in everything:
            groups.append([])
            for f in features:
                if f not in made:
                    made[f] = self._feature_name(f)
                    body += self._feature(f, made[f], s, once=f not in again)
                groups[-1].append(made[f])
        fixed: list[str] = []
        for i, cluster in enumerate(self.plan.clusters):
            cut = cut_in(self.plan, i)
            if cut is not None:
                fixed.append(self._stretches(cut, cluster, s, body))
                continue
            fixed.append(self._fixed(cluster.given, cluster.latents, i, s, body))
        direct = list(groups[0])
        for i, given in enumerate(self.plan.direct_given):
            name = f"possible_{i}" if i else "possible"
            value = s.lower(self._summed(given))
            body.append(Assign(name, Whole(value, (self.plate,), full=True)))
            direct.append(name)
        body = [*self.data_arrays(s), *body]
        returned: list[str] = []
        labels = ["direct_rows", *(f"rows_{label}" for label in self.labels())]
        for name, rows in zip(labels, [direct, *groups[1:]], strict=True):
            body.append(Bind((name,), "nm.rows", (*rows, "width=B")))
            returned.append(name)
        clusters = self._tuple(returned[1:])
        body.append(Return((returned[0], clusters, self._tuple(fixed)), call="rt.Features"))
        body = [*sizes_of(body, s, self.model), *body]
        doc = (
            "The data parts of the log joint's terms, one row each: (F, B).\n\n"
            "They don't change between iterations.\n"
        )
        return Function(f"features_{self.plan.label}", _FEATURES, "rt.Features", doc, tuple(body))

    def _elsewhere(self, cluster: Cluster) -> bool:
        """Whether another level's rows have these features, added up at this one's."""
        return bool(cluster.source) and cluster.source != self.plan.plate

    def _tuple(self, names: list[str]) -> str:
        return f"({', '.join(names)}{',' * (len(names) == 1)})"

    def _feature_name(self, f: Feature) -> str:
        return f"f_{f.name}" if f.expr != 1 else "1.0"

    def _feature(self, f: Feature, name: str, s: ScalarLowering, *, once: bool) -> list[Stmt]:
        if f.expr == 1:
            return []
        if f.seen is not None:
            return self._mask(f, name, s)
        seen = [a for a in map(self._seen_of, sp.Mul.make_args(f.expr)) if a is not None]
        seen = [a for a in seen if not {*map(str, a.idx)} & {*f.sums}]
        rest = sp.Mul(*(x for x in sp.Mul.make_args(f.expr) if self._seen_of(x) not in seen))
        axes = tuple(s.axis(a) for a in f.axes)
        places = self._places(rest, f)
        if places:
            whole = self._one_hot(f, rest, places, seen, s)
            return [Assign(name, Whole(whole, whole.axes))]
        value: Expr
        if f.symmetric:
            first, second = f.axes
            one = sp.Mul(*(x for x in sp.Mul.make_args(rest) if first in self.atoms.axes_of(x)))
            other = sp.Mul(*(x for x in sp.Mul.make_args(rest) if x not in sp.Mul.make_args(one)))
            if self.atoms.rename(one, {first: second}) == other and not f.sums:
                half = Whole(s.lower(one), (axes[0], self.plate))
                pairs = Axis(f"{first}{second}", "...")
                value = Kernel("pairs", (half,), (pairs, self.plate))
                axes = (pairs,)
            else:
                every = Whole(s.lower(self._with_sums(rest, f.sums)), (*axes, self.plate))
                value = Kernel("upper_rows", (every,), (Axis("pairs", "..."), self.plate))
                axes = (Axis("pairs", "..."),)
        else:
            halves = self._halves(rest, f) if once else None
            if halves is None:
                value = s.lower(self._with_sums(rest, f.sums))
            else:
                column, scale = (s.lower(x) for x in halves)
                value = Kernel(
                    "scaled",
                    (Whole(column, (*axes, self.plate)), Whole(scale, (self.plate,), full=True)),
                    (*axes, self.plate),
                )
        for atom in seen:
            value = self._masked(value, atom, (*axes, self.plate), s)
        full = set(axes_of(value)) != {*axes, self.plate}
        return [Assign(name, Whole(value, (*axes, self.plate), full=full))]

    def _halves(self, rest: sp.Expr, f: Feature) -> tuple[sp.Expr, sp.Expr] | None:
        """A product of an array of the data and of one number for each row; None for others."""
        if len(f.axes) != 1 or f.sums:
            return None
        wide = [x for x in sp.Mul.make_args(rest) if f.axes[0] in self.atoms.axes_of(x)]
        atom = self.atoms.atom(wide[0]) if len(wide) == 1 and wide[0].is_Symbol else None
        if not isinstance(atom, Elem) or self.atoms.axes_of(wide[0]) != {*f.axes, self.plan.plate}:
            return None
        return (wide[0], rest / wide[0]) if rest != wide[0] else None

    def _places(self, rest: sp.Expr, f: Feature) -> dict[str, tuple[sp.Expr, sp.Expr]]:
        """The axes that an entry of the element's own data or inputs is a place on.

        Each with the indicator [entry = a] it comes from, and the entry; nothing if the feature
        depends on the axis otherwise too, or adds up entries that are places.
        """
        if f.symmetric:
            return {}
        found = dict(picked(rest, f.axes, self.atoms))
        for axis, (factor, place) in tuple(found.items()):
            others = [x for x in sp.Mul.make_args(rest) if x != factor]
            moving = self.atoms.axes_of(place) & {axis, *f.sums}
            if moving or axis in self.atoms.axes_of(sp.Mul(*others)):
                del found[axis]
        return found

    def _one_hot(
        self,
        f: Feature,
        rest: sp.Expr,
        places: dict[str, tuple[sp.Expr, sp.Expr]],
        seen: list[sp.Expr],
        s: ScalarLowering,
    ) -> Kernel:
        """A feature that is zero but at the places: only these and what it is there are kept."""
        inner = (*(s.axis(a) for a in f.axes if a not in places), self.plate)
        indicators = {indicator for indicator, _ in places.values()}
        scale = sp.Mul(*(x for x in sp.Mul.make_args(rest) if x not in indicators))
        scale = self._with_sums(scale, f.sums)
        value = s.lower(scale) if scale != 1 else Lit(1.0)
        for atom in seen:
            value = self._masked(value, atom, inner, s)
        axes = tuple(s.axis(a) for a in f.axes)
        dims = f"({', '.join(str(a.dim) for a in axes)}{',' * (len(axes) == 1)})"
        at = [s.lower(places[a][1]) if a in places else Range(s.axis(a)) for a in f.axes]
        given = (Whole(place, inner) for place in at)
        return Kernel("one_hot", (dims, Whole(value, inner), *given), (*axes, self.plate))

    def _with_sums(self, expr: sp.Expr, sums: tuple[str, ...]) -> sp.Expr:
        return self.atoms.sum(sums, expr)

    def _seen_of(self, factor: sp.Expr) -> Seen | None:
        atom = self.atoms.atom(factor) if isinstance(factor, sp.Symbol) else None
        return atom if isinstance(atom, Seen) else None

    def _masked(self, value: Expr, atom: Seen, axes: tuple[Axis, ...], s: ScalarLowering) -> Expr:
        """The value with zero in missing cells, whatever is in the data there."""
        s.wants[f"mask {atom.name}"] = atom
        own = [s.axis(str(ix)) for ix in (*atom.idx[1:], atom.idx[0])]
        new = tuple(i for i, a in enumerate(axes) if a not in own)
        mask = f"seen_{self.names[atom.name]}"
        places = () if all(i < len(axes) - len(own) for i in new) else (str(new),)
        full = set(axes_of(value)) != set(axes)  # complete data have no mask to broadcast to
        return Kernel("masked", (Whole(value, axes, full=full), mask, *places), axes)

    def _mask(self, f: Feature, name: str, s: ScalarLowering) -> list[Stmt]:
        """A mask as a feature; None where every cell is seen: the constant row serves then."""
        s.wants[f"mask {f.seen}"] = f
        return [Bind((name,), "nm.mask_rows", (f"seen_{self.names[str(f.seen)]}",))]

    def _fixed(
        self,
        given: tuple[Given, ...],
        latents: tuple[str, ...],
        index: int,
        s: ScalarLowering,
        body: list[Stmt],
    ) -> str:
        if not given:
            return "None"
        name = f"possible_{self.labels()[index]}"
        axes = (*(s.axis(a) for a in latents), self.plate)
        parts = tuple(s.lower(self._summed(g)) for g in given)
        value = parts[0] if len(parts) == 1 else Map("add", parts)
        body.append(Comment("what no parameter changes: minus infinity where it is impossible"))
        body.append(Assign(name, Whole(value, axes, full=self.plan.match.coupled)))
        return name

    def _stretches(self, cut: Cut, cluster: Cluster, s: ScalarLowering, body: list[Stmt]) -> str:
        """Where a continuous latent is possible, for each stretch of it."""
        assert cluster.moment is not None
        own = cut.at(cluster.moment.axes, self.atoms)
        axes = (*(s.axis(a) for a in cluster.states), self.plate)
        parts: list[Whole] = []
        for stretch in own.stretches:
            ends = (_last(stretch.lower, -math.inf, s), _last(stretch.upper, math.inf, s))
            always = stretch.condition == sp.true
            there = Lit(1) if always else s.lower(stretch.condition)
            parts += [Whole(x, axes) for x in (there, *ends)]
        name = f"possible_{cut.latent.name}"
        body.append(
            Comment(f"where {cut.latent.name} is possible: (condition, lower and upper end)")
        )
        body.append(Bind((name,), "rt.stretches", tuple(parts)))
        return name

    def _summed(self, given: Given) -> sp.Expr:
        return self.atoms.sum(tuple(a for a in given.sums if a in self.atoms.axes_of(given.expr)),
                              given.expr)  # fmt: skip


def _last(ends: tuple[sp.Expr, ...], none: float, s: ScalarLowering) -> Expr:
    """The highest of lower ends, the lowest of upper ones; `none` where there are none."""
    out: Expr | None = None
    for end in ends:
        value = s.lower(end)
        beyond = "gt" if none < 0.0 else "lt"
        out = value if out is None else Map("where", (Map(beyond, (value, out)), value, out))
    return Lit(none) if out is None else out
