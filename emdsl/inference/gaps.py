"""Missing cells of real data that are integrated out exactly: where the log joint allows it.

As a function of some cells of one element's data, the log joint is quadratic where every feature
they are in is a polynomial of degree two at most: a covariance ties the cells of a row (`x`), or
other data are drawn from them (`u` in `y ~ Normal(b * u, s)`). The integral over the missing cells
is then a normal's, for each value of the discrete latents that their features have coefficients
for; one elimination must be over all of these, so that it can take the result as a factor.

Cells that are independent given everything else need none of this: they drop out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import sympy as sp

from emdsl.derive.atoms import Centered, Elem, Seen, SumOf
from emdsl.derive.joint import Joint
from emdsl.derive.statistics import Feature
from emdsl.inference.plan import Cluster, Gaps, PiecePlan, Plan
from emdsl.model.graph import Variable

_QUADRATIC = 2


@dataclass(frozen=True)
class Missing:
    """What a missing cell of each data array means; see `rt.Array`."""

    of: tuple[tuple[str, str], ...]

    def __getitem__(self, name: str) -> str:
        return dict(self.of)[name]


def with_gaps(plan: Plan) -> Plan:
    """The plan with the data whose missing cells each piece integrates out."""
    joint = plan.derived.joint
    read = read_by_others(joint)
    pieces = tuple(replace(p, gaps=_gaps(plan, p, read)) for p in plan.pieces)
    return replace(plan, pieces=pieces)


def missing_of(plan: Plan) -> Missing:
    """What a missing cell of each data array means.

    "cell" and "row" drop out alone or with the row's other cells, "part" is integrated out where
    other cells of the row are there, "any" wherever it is missing; "sum" is summed over; "no" is
    an error.
    """
    joint = plan.derived.joint
    summed = {name for piece in plan.pieces for name in piece.match.summed}
    own = {name for piece in plan.pieces for g in piece.gaps for name in g.arrays}
    read, elsewhere = read_by_others(joint), _seen_from_elsewhere(joint)
    found: list[tuple[str, str]] = []
    for v in joint.model.variables:
        if v.role != "data":
            continue
        if v.name in summed:
            word = "sum"
        elif v.name in own:
            word = "any" if v.name in read else "part"
        elif v.name in read and v.name not in elsewhere:
            word = "no"
        else:
            word = "cell" if _is_apart(joint, v) else "row"
        found.append((v.name, word))
    return Missing(tuple(found))


def read_by_others(joint: Joint) -> frozenset[str]:
    """The data arrays that the density of another variable has in it."""
    found: set[str] = set()
    for node in joint.nodes:
        for m in node.monomials:
            for part in (m.data, m.basis):
                found |= {
                    a.name for a in joint.atoms.deep(part)
                    if isinstance(a, Elem) and a.role == "data" and a.name != node.name
                }  # fmt: skip
    return frozenset(found)


def _seen_from_elsewhere(joint: Joint) -> frozenset[str]:
    """The data arrays that other rows than their own look at."""
    return frozenset(name for _, name, _ in joint.levels.views)


def _is_apart(joint: Joint, v: Variable) -> bool:
    """Whether each cell drops out alone: the density is a product over the cells."""
    node = next(n for n in joint.nodes if n.name == v.name)
    rows = len(joint.levels.of(v).plates) - 1  # plates that are one axis of rows
    ranks = [len(a) + rows for a in joint.seen_places(node)]
    return max(ranks, default=len(v.plates)) == len(v.plates) + len(v.type.shape)


def _gaps(plan: Plan, piece: PiecePlan, read: frozenset[str]) -> tuple[Gaps, ...]:
    joint = plan.derived.joint
    away = _seen_from_elsewhere(joint)
    own = [
        v for v in joint.model.variables
        if v.role == "data" and v.plates and v.type.kind == "real"
        and joint.levels.of(v) == piece.level and v.name not in joint.levels.axes
        and v.name not in away and (v.name in read or not _is_apart(joint, v))
    ]  # fmt: skip
    names = frozenset(v.name for v in own)
    groups = [frozenset({name}) for name in sorted(names)]
    places: list[tuple[int, Feature]] = [(-1, f) for f in piece.direct_features]
    places += [(i, f) for i, c in enumerate(piece.clusters) for f in c.features]
    for _, f in places:  # arrays that share a feature are integrated out together
        together = _arrays_in(joint, f.expr) & names
        if together:
            merged = together.union(*(g for g in groups if g & together))
            groups = [*(g for g in groups if not g & together), merged]
    out = []
    for group in groups:
        found = _group(plan, piece, group, places)
        if found is not None:
            order = tuple(v.name for v in own if v.name in group)
            out.append(replace(found, arrays=order))
    return tuple(sorted(out, key=lambda g: g.arrays))


def _group(
    plan: Plan, piece: PiecePlan, group: frozenset[str], places: list[tuple[int, Feature]]
) -> Gaps | None:
    """Where the features of these arrays are; None where they can't be integrated out."""
    joint = plan.derived.joint
    met = {i for i, f in places if _arrays_in(joint, f.expr) & group}
    if not met:
        return None
    if any(_degree(joint, f.expr, group) > _QUADRATIC for _, f in places):
        return None
    others = [x.expr for x in plan.derived.live] + [g.expr for g in plan.derived.given]
    if any(_arrays_in(joint, x) & group for x in others):
        return None
    elsewhere = [
        s.feature for s in plan.derived.statistics
        if s.plate != piece.plate and _arrays_in(joint, s.feature.expr) & group
    ]  # fmt: skip
    clusters = {i: piece.clusters[i] for i in sorted(met) if i >= 0}
    if elsewhere or any(map(_is_special, clusters.values())):
        return None
    host = _host(piece, clusters)
    if host is None:
        return None
    latents = piece.clusters[host].latents if host >= 0 else ()
    return Gaps(
        (),
        host,
        tuple((i, tuple(latents.index(a) for a in clusters[i].latents)) for i in clusters),
    )


def _is_special(c: Cluster) -> bool:
    """Of continuous latents, of other rows, or shared by rows: no place for a row's own factor."""
    return c.moment is not None or bool(c.source) or c.shared


def _host(piece: PiecePlan, clusters: dict[int, Cluster]) -> int | None:
    """The elimination that is over all the latents of some clusters; -1 where there are none."""
    if not clusters:
        return -1
    wanted = {a for c in clusters.values() for a in c.latents}
    fitting = (i for i, c in enumerate(piece.clusters)
               if not _is_special(c) and wanted <= {*c.latents})  # fmt: skip
    return min(fitting, key=lambda i: len(piece.clusters[i].latents), default=None)


def _arrays_in(joint: Joint, expr: sp.Basic) -> frozenset[str]:
    return frozenset(
        a.name for a in joint.atoms.deep(expr) if isinstance(a, Elem) and a.role == "data"
    )


def _degree(joint: Joint, expr: sp.Expr, group: frozenset[str]) -> float:
    """The degree as a polynomial in the arrays' cells; infinite where it is none."""
    if not _arrays_in(joint, expr) & group:
        return 0
    match expr:
        case sp.Symbol():
            return _degree_of_symbol(joint, expr, group)
        case sp.Add():
            return max(_degree(joint, a, group) for a in expr.args)
        case sp.Mul():
            return sum(_degree(joint, a, group) for a in expr.args)
        case sp.Pow(base=base, exp=exp) if exp.is_Integer and exp > 0:
            return int(exp) * _degree(joint, base, group)
        case _:
            return float("inf")


def _degree_of_symbol(joint: Joint, symbol: sp.Symbol, group: frozenset[str]) -> float:
    match joint.atoms.atom(symbol):
        case Elem(idx=idx) if not any(isinstance(ix, Elem) for ix in idx):
            return 1
        case Centered(of=of, offset=offset, through=through):
            if through:
                return float("inf")
            return max(float(of.name in group), _degree(joint, offset, group))
        case SumOf(body=body):
            return _degree(joint, body, group)
        case Seen():
            return 0
        case _:
            return float("inf")


__all__ = ["Missing", "missing_of", "read_by_others", "with_gaps"]
