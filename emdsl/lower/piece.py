"""One piece's data side and parameter side: features, coefficients, and statistics by name.

    log joint of cluster c = coefficients (C, F) @ features (F, B)  + what has no parameter

A feature and its coefficient are the two halves of the same monomials, in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy as sp

from emdsl.derive.atoms import Atoms, Centered, Ix, Seen
from emdsl.derive.display import tidy_axes
from emdsl.derive.joint import Node
from emdsl.derive.statistics import Feature, Given, Statistic, Term
from emdsl.inference.plan import PiecePlan
from emdsl.ir.nodes import (
    Array,
    Assign,
    Axis,
    Bind,
    Comment,
    Expr,
    Function,
    Item,
    Kernel,
    Lit,
    Map,
    Return,
    Stmt,
    When,
    Whole,
    axes_of,
)
from emdsl.ir.used import names_in
from emdsl.lower.names import Names, mathematics, quoted
from emdsl.lower.scalar import ScalarLowering
from emdsl.model.graph import Model

_FEATURES = (("block", "rt.Blocks"), ("layout", "rt.Layout"), ("pivot", "rt.Params"))
_COEFFICIENTS = (("params", "rt.Params"), ("layout", "rt.Layout"), ("pivot", "rt.Params"))


class PieceLowering:
    """Writes the functions of one piece."""

    def __init__(
        self,
        plan: PiecePlan,
        model: Model,
        atoms: Atoms,
        names: Names,
        pivots: Mapping[str, tuple[int, ...]],
        nodes: tuple[Node, ...],
    ) -> None:
        self.nodes = tuple(n for n in nodes if n.plates[0] == plan.plate)
        self.plan = plan
        self.pivots = pivots
        self.model = model
        self.atoms = atoms
        self.names = names
        self.plate = Axis(plan.plate, "B")

    def scalars(self) -> ScalarLowering:
        return ScalarLowering(self.atoms, self.names, frozenset({self.plan.plate}))

    # -- features: the data parts ---------------------------------------------------------------

    def features(self) -> Function:
        s = self.scalars()
        body: list[Stmt] = []
        groups: list[list[str]] = []
        made: dict[Feature, str] = {}
        everything = [self.plan.direct_features, *(c.features for c in self.plan.clusters)]
        for features in everything:
            groups.append([])
            for f in features:
                if f not in made:
                    made[f] = self._feature_name(f)
                    body += self._feature(f, made[f], s)
                groups[-1].append(made[f])
        fixed: list[str] = []
        for i, cluster in enumerate(self.plan.clusters):
            fixed.append(self._fixed(cluster.given, cluster.latents, i, s, body))
        direct = list(groups[0])
        for i, given in enumerate(self.plan.direct_given):
            name = f"possible_{i}" if i else "possible"
            value = s.lower(self._summed(given))
            body.append(Assign(name, Whole(value, (self.plate,), full=True)))
            direct.append(name)
        body = [*self._data_arrays(s), *body]
        returned: list[str] = []
        for label, rows in zip(["direct", *self._labels()], [direct, *groups[1:]], strict=True):
            name = f"rows_{label}" if label != "direct" else "direct_rows"
            body.append(Bind((name,), "nm.rows", (*rows, "width=B")))
            returned.append(name)
        clusters = self._tuple(returned[1:])
        body.append(Return((returned[0], clusters, self._tuple(fixed)), call="rt.Features"))
        body = [*sizes_of(body, s, self.model), *body]
        doc = (
            "The data parts of the log joint's terms, one row each: (F, B).\n\n"
            "They don't change between iterations.\n"
        )
        return Function(f"features_{self._py_plate()}", _FEATURES, "rt.Features", doc, tuple(body))

    def _labels(self) -> list[str]:
        return ["_".join(self._latent(a) for a in c.latents) for c in self.plan.clusters]

    def _latent(self, axis: str) -> str:
        return axis

    def _py_plate(self) -> str:
        return self.plan.plate

    def _tuple(self, names: list[str]) -> str:
        return f"({', '.join(names)}{',' * (len(names) == 1)})"

    def _feature_name(self, f: Feature) -> str:
        return f"f_{f.name}" if f.expr != 1 else "1.0"

    def _feature(self, f: Feature, name: str, s: ScalarLowering) -> list[Stmt]:
        if f.expr == 1:
            return []
        if f.seen is not None:
            return self._mask(f, name, s)
        seen = [a for a in map(self._seen_of, sp.Mul.make_args(f.expr)) if a is not None]
        seen = [a for a in seen if not {*map(str, a.idx)} & {*f.sums}]
        rest = sp.Mul(*(x for x in sp.Mul.make_args(f.expr) if self._seen_of(x) not in seen))
        axes = tuple(s.axis(a) for a in f.axes)
        value: Expr
        if f.symmetric:
            first, second = f.axes
            one = sp.Mul(*(x for x in sp.Mul.make_args(rest) if first in self.atoms.axes_of(x)))
            other = sp.Mul(*(x for x in sp.Mul.make_args(rest) if x not in sp.Mul.make_args(one)))
            if self.atoms.rename(one, {first: second}) == other:
                half = Whole(s.lower(one), (axes[0], self.plate))
                pairs = Axis(f"{first}{second}", "...")
                value = Kernel("pairs", (half,), (pairs, self.plate))
                axes = (pairs,)
            else:
                value = Kernel("upper_rows", (Whole(s.lower(rest), (*axes, self.plate)),),
                               (Axis("pairs", "..."), self.plate))  # fmt: skip
                axes = (Axis("pairs", "..."),)
        else:
            value = s.lower(self._with_sums(rest, f.sums))
        for atom in seen:
            value = self._masked(value, atom, (*axes, self.plate), s)
        full = set(axes_of(value)) != {*axes, self.plate}
        return [Assign(name, Whole(value, (*axes, self.plate), full=full))]

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
        mask = f"{self.names[atom.name]}_seen"
        places = () if all(i < len(axes) - len(own) for i in new) else (str(new),)
        return Kernel("masked", (Whole(value, axes), mask, *places), axes)

    def _mask(self, f: Feature, name: str, s: ScalarLowering) -> list[Stmt]:
        """A mask as a feature; None where every cell is seen: the constant row serves then."""
        s.wants[f"mask {f.seen}"] = f
        return [Bind((name,), "nm.mask_rows", (f"{self.names[str(f.seen)]}_seen",))]

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
        name = f"possible_{self._labels()[index]}"
        axes = (*(s.axis(a) for a in latents), self.plate)
        parts = tuple(s.lower(self._summed(g)) for g in given)
        value = parts[0] if len(parts) == 1 else Map("add", parts)
        body.append(Comment("what no parameter changes: minus infinity where it is impossible"))
        body.append(Assign(name, Whole(value, axes)))
        return name

    def _summed(self, given: Given) -> sp.Expr:
        return self.atoms.sum(tuple(a for a in given.sums if a in self.atoms.axes_of(given.expr)),
                              given.expr)  # fmt: skip

    def _data_arrays(self, s: ScalarLowering) -> list[Stmt]:
        """Fetch what the features were found to need; centred arrays last."""
        body: list[Stmt] = [Bind(("B",), "int", ('block["width"]',))]
        centred = [(v[0], v[1]) for k, v in s.wants.items()
                   if k.startswith("centered ") and isinstance(v, tuple)]  # fmt: skip
        tail: list[Stmt] = []
        for name, atom in centred:
            assert isinstance(atom, Centered)
            elem = s.lower(self.atoms.symbol(atom.of))
            offset = s.lower(-atom.offset)
            whole: Expr = Map(atom.through, (elem,)) if atom.through else elem
            value = Map("add", (whole, offset))
            tail.append(Assign(name, Whole(value, axes_of(elem))))
        known: list[Stmt] = []
        for key in sorted(s.wants):
            kind, _, name = key.partition(" ")
            atom = s.wants[key]
            if kind == "data":
                body.append(Item(self.names[name], "block", quoted(name), self._stored(name, s)))
            elif kind in ("known", "mask"):
                seen = f"{self.names[name]}_seen"
                item = Item(seen, "block", quoted(f"{name}_observed"), (), optional=True)
                if item not in body:
                    body.append(item)
                if kind == "known":
                    assert isinstance(atom, Seen)
                    inner = [str(s.axis(str(ix)).dim) for ix in (*atom.idx[1:], atom.idx[0])]
                    shape = f"({', '.join(inner)}{',' * (len(inner) == 1)})"
                    known.append(Bind((f"{self.names[name]}_known",), "nm.known", (seen, shape)))
            elif kind == "pivot":
                body.append(Item(s.pivot_name(name), "pivot", quoted(name)))
        return [*body, *known, *tail]

    def _stored(self, name: str, s: ScalarLowering) -> tuple[Axis, ...]:
        """A data array's dimensions as the engine keeps them: the plate last."""
        const = next((c for c in self.model.consts if c.name == name), None)
        if const is not None:
            return tuple(Axis(str(i), s.dim(e)) for i, e in enumerate(const.shape))
        v = self.model.variable(name)
        inner = [Axis(a, s.dim(self.model.plate(a).extent)) for a in v.plates[1:]]
        event = [Axis(str(i), s.dim(e)) for i, e in enumerate(v.type.shape)]
        first = [self.plate] if v.plates else []
        return (*inner, *event, *first)

    def _mathematics(self, node: Node) -> list[str]:
        given = ", ".join(node.plates)
        text = f"log p({node.name}[{given}] | its parents) = {node.log_density}"
        return mathematics(tidy_axes([text], self.atoms)[0])

    # -- coefficients: the parameter parts ------------------------------------------------------

    def coefficients(self) -> Function:
        s = self.scalars()
        body: list[Stmt] = []
        results: list[str] = []
        results.append(self._coefficients(
            "direct", (), self.plan.direct, self.plan.direct_features, s, body,
            extra=len(self.plan.direct_given),
        ))  # fmt: skip
        for label, cluster in zip(self._labels(), self.plan.clusters, strict=True):
            results.append(
                self._coefficients(label, cluster.latents, cluster.terms, cluster.features, s, body)
            )
        fetched = fetch_params(s, self.model, self.names, self.atoms, pivots=self.pivots)
        joint = [Comment(line) for node in self.nodes for line in self._mathematics(node)]
        body = [*joint, *fetched, *body, Return(tuple(results))]
        sizes = sizes_of(body, s, self.model)
        doc = "The parameter parts of the log joint's terms: (F,) direct, then (states, F) each."
        return Function(
            f"coefficients_{self._py_plate()}", _COEFFICIENTS, "rt.Coefficients", doc,
            (*sizes, *body),
        )  # fmt: skip

    def _coefficients(
        self,
        label: str,
        latents: tuple[str, ...],
        terms: tuple[Term, ...],
        features: tuple[Feature, ...],
        s: ScalarLowering,
        body: list[Stmt],
        extra: int = 0,
    ) -> str:
        states = tuple(s.axis(a) for a in latents)
        parts: list[str] = []
        masks: list[tuple[Feature, str]] = []
        one = None
        if features:
            what = f"log p, given {', '.join(latents)}" if latents else "terms without a latent"
            body.append(Comment(f"{what}: the coefficient of each feature"))
        for f in features:
            own = tuple(s.axis(a) for a in f.axes)
            value = self._coefficient(f, [t for t in terms if _of(t).feature == f], s)
            name = f"c_{label}_{f.name}"
            if f.symmetric:
                whole = Whole(value, (*states, *own), full=True)
                body.append(
                    Assign(
                        name,
                        Whole(
                            Kernel("fold", (whole,), (*states, Axis("pairs", "..."))),
                            (*states, Axis("pairs", "...")),
                        ),
                    )  # fmt: skip
                )
            else:
                body.append(Assign(name, Whole(value, (*states, *own), full=True)))
            if f.expr == 1:
                one = name
            if f.seen is not None:
                masks.append((f, name))
            parts.append(f"({name}, {len(states)})")
        for f, name in masks:
            assert one is not None
            total = f"{name}.sum(axis={_tail(len(states), len(f.axes))})" if f.axes else name
            body.append(
                When(
                    f'layout.complete["{f.seen}"]',
                    (
                        Comment("every cell is seen: the mask is the constant"),
                        Bind((one, name), "", (f"{one} + {total}, None",)),
                    ),
                )
            )
        count = " * ".join(str(a.dim) for a in states) or "1"
        target = f"all_{label}"
        if not features and not latents and not extra:
            body.append(Bind((target,), "np.zeros", (0,)))
        else:
            rows = [*parts, *["(1.0, 0)"] * extra]
            body.append(Bind((target,), "nm.columns", (count, *rows)))
            if not latents:
                body.append(Bind((target,), "", (f"{target}[0]",)))
        return target

    def _coefficient(self, f: Feature, terms: list[Term], s: ScalarLowering) -> Expr:
        total: sp.Expr = sp.Integer(0)
        for t in terms:
            statistic = _of(t)
            names: dict[str, Ix] = dict(zip(t.places[len(statistic.scope) :], f.axes, strict=True))
            expr = self.atoms.rename(t.number * t.factor * t.basis, names)
            kept = {*statistic.scope, *f.axes}
            bound = tuple(sorted({str(names.get(a, a)) for a in t.axes} - kept))
            total += self.atoms.sum(bound, expr)
        return s.lower(total)

    # -- statistics by name ---------------------------------------------------------------------

    def collect(self, wanted: frozenset[str]) -> Function:
        s = self.scalars()
        body: list[Stmt] = []
        found: list[tuple[str, str]] = []
        groups: list[tuple[str, tuple[str, ...], tuple[Feature, ...], str]] = [
            ("direct", (), self.plan.direct_features, "direct")
        ]
        for i, (label, cluster) in enumerate(zip(self._labels(), self.plan.clusters, strict=True)):
            groups.append((label, cluster.latents, cluster.features, f"sums[{i}]"))
        by_group: dict[int, list[Statistic]] = {}
        for statistic in self.plan.statistics:
            index = 0 if not statistic.scope else 1 + self.plan.cluster_of(statistic)
            if statistic.name in wanted:
                by_group.setdefault(index, []).append(statistic)
        for index, statistics in sorted(by_group.items()):
            _, latents, features, source = groups[index]
            states = tuple(s.axis(a) for a in latents)
            body += self._cut(source, states, features, s, index)
            for statistic in statistics:
                name = self._collected(statistic, index, states, s, body)
                found.append((quoted(statistic.name), name))
        sizes = sizes_of(body, s, self.model)
        return Function(
            f"collect_{self._py_plate()}",
            (("direct", "Any"), ("sums", "Any"), ("layout", "rt.Layout")),
            "dict[str, Any]",
            "The sums over the plate, cut into statistics by name.",
            (*sizes, *body, Return(tuple(found))),
        )

    def _cut(
        self,
        source: str,
        states: tuple[Axis, ...],
        features: tuple[Feature, ...],
        s: ScalarLowering,
        index: int,
    ) -> list[Stmt]:
        """Slice the feature axis of the summed (states, F) into blocks of features."""
        shape = ", ".join(str(a.dim) for a in states)
        lead = f"({shape}{',' * (len(states) == 1)})"
        specs = []
        for f in features:
            dims = [s.axis(a).dim for a in f.axes]
            kind = f'"{f.seen}"' if f.seen is not None else "None"
            sizes = f"({', '.join(map(str, dims))}{',' * (len(dims) == 1)})"
            specs.append(f"({sizes}, {f.symmetric}, {kind})")
        return [Bind((f"parts_{index}",), "nm.cut", (source, lead, "layout.complete", *specs))]

    def _collected(
        self,
        statistic: Statistic,
        index: int,
        states: tuple[Axis, ...],
        s: ScalarLowering,
        body: list[Stmt],
    ) -> str:
        features = (
            self.plan.direct_features if index == 0 else self.plan.clusters[index - 1].features
        )
        place = features.index(statistic.feature)
        name = f"s_{statistic.name}"
        own = tuple(s.axis(a) for a in statistic.feature.axes)
        scope = tuple(s.axis(a) for a in statistic.scope)
        extra = tuple(i for i, a in enumerate(states) if a not in scope)
        source = f"parts_{index}[{place}]"
        if extra:
            source += f".sum(axis={extra[0] if len(extra) == 1 else extra})"
        kept = [a for a in states if a in scope]
        code = Array(source, (*kept, *own))
        body.append(Assign(name, Whole(code, (*scope, *own))))
        return name


def _of(term: Term) -> Statistic:
    assert term.statistic is not None
    return term.statistic


def _tail(lead: int, count: int) -> str:
    axes = tuple(range(lead, lead + count))
    return str(axes[0]) if count == 1 else str(axes)


# --- shared by functions of parameters ---------------------------------------------------------


def fetch_params(
    s: ScalarLowering,
    model: Model,
    names: Names,
    atoms: Atoms,
    source: str = "params",
    *,
    pivots: Mapping[str, tuple[int, ...]] | None = None,
    only: frozenset[str] | None = None,
) -> list[Stmt]:
    """Fetch the parameters, inverses and log determinants a lowering was found to need."""
    body: list[Stmt] = []
    derived: list[Stmt] = []
    needed: dict[str, None] = {}
    for key in sorted(s.wants):
        kind, _, name = key.partition(" ")
        if kind in ("param", "inv", "logdet") and any(p.name == name for p in model.params):
            needed[name] = None
    for name in needed:
        if only is not None and name not in only:
            continue
        body.append(fetch_param(name, s, model, names, source, pivots))
    for key in sorted(s.wants):
        kind, _, name = key.partition(" ")
        if only is not None and name not in only and kind in ("inv", "logdet"):
            continue
        if kind in ("inv", "logdet"):
            derived.append(matrix_function(kind, name, s, model, names))
    del atoms
    return [*body, *derived]


def fetch_param(
    name: str,
    s: ScalarLowering,
    model: Model,
    names: Names,
    source: str,
    pivots: Mapping[str, tuple[int, ...]] | None,
) -> Stmt:
    """`mean = params["mean"]`, less its pivot where it has one."""
    param = model.param(name)
    axes = tuple(Axis(f"{name}{i}", s.dim(e)) for i, e in enumerate(param.shape))
    stored = f"{source}[{quoted(name)}]"
    if pivots is None or name not in pivots:
        return Item(names[name], source, quoted(name), axes)
    kept = tuple(axes[i] for i in pivots[name])
    less = Map("mul", (Lit(-1), Array(f"pivot[{quoted(name)}]", kept)))
    return Assign(names[name], Whole(Map("add", (Array(stored, axes), less)), axes))


def matrix_function(kind: str, name: str, s: ScalarLowering, model: Model, names: Names) -> Stmt:
    """`inv_cov = nm.inverse(cov)` or `logdet_cov = nm.logdet(cov)`."""
    const = next((c for c in model.consts if c.name == name), None)
    shape = const.shape if const is not None else model.param(name).shape
    axes = tuple(Axis(f"{name}{i}", s.dim(e)) for i, e in enumerate(shape))
    whole = Whole(Array(names[name], axes), axes)
    if kind == "inv":
        return Assign(f"inv_{names[name]}", Whole(Kernel("inverse", (whole,), axes), axes))
    return Assign(f"logdet_{names[name]}", Whole(Kernel("logdet", (whole,), axes[:-2]), axes[:-2]))


def sizes_of(body: list[Stmt], s: ScalarLowering, model: Model) -> list[Stmt]:
    """Fetch the sizes that the statements name."""
    used = names_in(body)
    out: list[Stmt] = []
    for size in model.sizes:
        name = s.names[size.name]
        if name in used:
            out.append(Item(name, "layout.sizes", quoted(size.name)))
    return out
