"""Missing cells of real data that are integrated out exactly: where the log joint allows it.

As a function of some cells of one element's data, the log joint is quadratic where every feature
they are in is a polynomial of degree two at most: a covariance ties the cells of a row (`x`), or
other data are drawn from them (`u` in `y ~ Normal(b * u, s)`). The integral over the missing cells
is then a normal's, for each value of the discrete latents that their features have coefficients
for; one elimination must be over all of these, so that it can take the result as a factor.

Cells that normal latents have a part in (a full covariance under factors) are quadratic together
with them: features of the cells are then in what the latents alone are multiplied by, and in no
product of latents. Integrated out they add to what latents and their products are multiplied by.

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
    pieces = [replace(p, gaps=_gaps(plan, p, read)) for p in plan.pieces]
    normals = {i for one in plan.together for i in one.pieces}
    for i in normals:
        foreseen = _gaps(plan, plan.pieces[i], read, every=True)
        pieces[i] = replace(pieces[i], foreseen=foreseen)
    for i, piece in enumerate(pieces):
        own = [g for g in piece.gaps if g.home < 0]
        own += [g for p in pieces for g in p.gaps if g.home == i]
        fed = {c for g in own for c in g.naturals}
        pieces[i] = replace(piece, fed=tuple(sorted(fed)))
    return replace(plan, pieces=tuple(pieces))


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


def _gaps(
    plan: Plan, piece: PiecePlan, read: frozenset[str], *, every: bool = False
) -> tuple[Gaps, ...]:
    """Arrays whose missing cells must be integrated out, or `every` one whose cells can be."""
    joint = plan.derived.joint
    away = _seen_from_elsewhere(joint)
    own = [
        v for v in joint.model.variables
        if v.role == "data" and v.plates and v.type.kind == "real"
        and joint.levels.of(v) == piece.level and v.name not in joint.levels.axes
        and v.name not in away and (every or v.name in read or not _is_apart(joint, v))
    ]  # fmt: skip
    names = frozenset(v.name for v in own)
    groups = [frozenset({name}) for name in sorted(names)]
    places: list[tuple[int, Feature]] = [(-1, f) for f in piece.direct_features]
    home = next((i for i, p in enumerate(plan.pieces)
                 if any(f.link.source == piece.level for f in p.folds)), -1)  # fmt: skip
    clusters = plan.pieces[home].clusters if home >= 0 else piece.clusters
    places += [(i, f) for i, c in enumerate(clusters) for f in c.features
               if c.source == (piece.plate if home >= 0 else "")]  # fmt: skip
    for _, f in places:  # arrays that share a feature are integrated out together
        together = _arrays_in(joint, f.expr) & names
        if together:
            merged = together.union(*(g for g in groups if g & together))
            groups = [*(g for g in groups if not g & together), merged]
    out = []
    for group in groups:
        found = _group(plan, piece, home, group, places)
        if found is not None:
            order = tuple(v.name for v in own if v.name in group)
            out.append(replace(found, arrays=order))
    return tuple(sorted(out, key=lambda g: g.arrays))


def _group(
    plan: Plan,
    piece: PiecePlan,
    home: int,
    group: frozenset[str],
    places: list[tuple[int, Feature]],
) -> Gaps | None:
    """Where the features of these arrays are; None where they can't be integrated out.

    The clusters are those of piece `home` where these rows are added up at its rows.
    """
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
    if home >= 0:
        piece = plan.pieces[home]
    clusters = {i: piece.clusters[i] for i in sorted(met) if i >= 0}
    tied = {i: c for i, c in clusters.items() if c.moment is not None}
    apart = {i: c for i, c in clusters.items() if c.moment is None}
    if elsewhere or any(map(_is_special, apart.values())):
        return None
    host = _host(piece, clusters)
    if host is None:
        return None
    latents = piece.clusters[host].latents if host >= 0 else ()
    naturals = _naturals(joint, piece, group, tied, latents)
    if naturals is None:
        return None
    return Gaps(
        (),
        host,
        tuple((i, tuple(latents.index(a) for a in clusters[i].latents)) for i in clusters),
        naturals,
        home if clusters else -1,
    )


def _naturals(
    joint: Joint,
    piece: PiecePlan,
    group: frozenset[str],
    tied: dict[int, Cluster],
    latents: tuple[str, ...],
) -> tuple[int, ...] | None:
    """The clusters of normal latents that the missing cells of a group add to; None where they
    would have to add to others.

    Of latents that cells are linear in these are the latents themselves, and all their products.
    """
    if not tied:
        return ()
    bundles = [b for b in piece.bundles if {*b.clusters} & {*tied}]
    if len(bundles) > 1 or any(c.latents != latents for c in tied.values()):
        return None
    posterior = bundles[0].posterior
    if posterior is None or posterior.family != "normal":
        return None
    role = {i: posterior.role(m) for i in bundles[0].clusters
            if (m := piece.clusters[i].moment) is not None}  # fmt: skip
    for i, c in tied.items():
        degrees = (_degree(joint, f.expr, group) for f in c.features)
        if role[i].kind != "linear" or max(degrees) > 1:
            return None
    parts = sorted({role[i].first for i in tied})
    products = {
        (min(r.first, r.second), max(r.first, r.second)): i
        for i, r in role.items() if r.kind == "product" or _is_of_scalars(piece.clusters[i])
    }  # fmt: skip
    wanted = [(p, q) for p in parts for q in parts if p <= q]
    if any(pair not in products for pair in wanted):
        return None
    return (*sorted(tied), *sorted(products[pair] for pair in wanted))


def _is_of_scalars(c: Cluster) -> bool:
    """Whether a product is one of numbers, which has one entry."""
    return c.moment is not None and len(c.moment.sights) == 2 and not any(c.moment.widths)


def _is_special(c: Cluster) -> bool:
    """Of continuous latents, of other rows, or shared by rows: no place for a row's own factor."""
    return c.moment is not None or bool(c.source) or c.shared


def _host(piece: PiecePlan, clusters: dict[int, Cluster]) -> int | None:
    """The elimination that is over all the latents of some clusters; -1 where there are none."""
    wanted = {a for c in clusters.values() for a in c.latents}
    if not wanted:
        return -1
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
