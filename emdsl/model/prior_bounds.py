"""A prior with bounds keeps its parameter between them: what `constrain` would say of it.

    param rate : positive ~ Uniform(0, 10)      rate <= 10

The bounds are those of the distribution's support; what the parameter's type says already is left
out. Bounds that aren't numbers are none here: deriving refuses such a prior.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from emdsl import diagnoses
from emdsl.families import FAMILIES
from emdsl.families.interval import WHOLE, Interval, interval_of
from emdsl.model import graph as g
from emdsl.model.kinds import Kind
from emdsl.model.support import constant
from emdsl.model.table import Table

TYPE_BOUNDS: Mapping[Kind, Interval] = {
    "real": WHOLE,
    "positive": (0.0, math.inf),
    "unit": (0.0, 1.0),
}


def prior_bounds(dists: Mapping[str, g.Distribution], table: Table) -> Iterator[g.Constraint]:
    """The bounds that the params' priors add to those of their types."""
    for name, dist in dists.items():
        type_ = table.types.get(name)
        if table.names[name].role != "param" or type_ is None or type_.kind not in TYPE_BOUNDS:
            continue
        found = _interval(dist, table)
        if found is None:
            continue
        least, most = TYPE_BOUNDS[type_.kind]
        low, high = found
        if low >= most or high <= least:
            table.report(diagnoses.prior_elsewhere(dist.span, name, str(type_)))
            continue
        if low > least:
            yield _bound(name, ">=", low, dist, table)
        if high < most:
            yield _bound(name, "<=", high, dist, table)


def bounds_of(param: g.Param, constraints: tuple[g.Constraint, ...]) -> Interval | None:
    """Between what its type and its bounds keep every entry of a param; None of structured ones."""
    if param.type.kind not in TYPE_BOUNDS:
        return None
    low, high = TYPE_BOUNDS[param.type.kind]
    for c in constraints:
        (first, *_) = c.terms
        if c.kind == "bound" and first.name == param.name and not first.index:
            low, high = (
                (low, min(high, c.value)) if c.relation == "<=" else (max(low, c.value), high)
            )
    return low, high


def _interval(dist: g.Distribution, table: Table) -> Interval | None:
    """The support of a draw, truncated or not, whose bounds are numbers."""
    if isinstance(dist, g.Limited):
        return _truncated(dist, table)
    if not isinstance(dist, g.Draw) or dist.family not in FAMILIES:
        return None
    family = FAMILIES[dist.family]
    if family.condition is None or family.event:
        return None
    tree = family.condition
    alternative = family.alternative([n for n, _ in dist.args])
    if alternative is not None:
        tree = tree.subs([(family.symbol(p), e) for p, e in alternative.canonical])
    values = {n: constant(e, table) for n, e in dist.args}
    known = {family.symbol(n): v for n, v in values.items() if v is not None}
    return interval_of(tree.subs(known), family.variable)


def _truncated(dist: g.Limited, table: Table) -> Interval | None:
    if dist.kind != "truncated":
        return None
    low, high = _interval(dist.base, table) or WHOLE
    lower = None if dist.lower is None else constant(dist.lower, table)
    upper = None if dist.upper is None else constant(dist.upper, table)
    return (low if lower is None else max(low, lower)), (
        high if upper is None else min(high, upper)
    )


def _bound(
    name: str, relation: g.Relation, edge: float, dist: g.Distribution, table: Table
) -> g.Constraint:
    whole = g.Entries(name, (), 1.0, False, table.dims(name) or (), dist.span)
    text = f"{name} {relation} {edge:.10g}"
    return g.Constraint("bound", (whole,), relation, edge, text, dist.span, of_prior=True)
