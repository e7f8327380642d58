"""Entries of what is written out: `[[1 - a, a], [0, 1]][z[t]]`, or a `let` that stands for it.

An index that is a number picks an item. Any other chooses among the items, each where the index has
its place: `u if z[t] == 0 else v`.
"""

from __future__ import annotations

from emdsl import diagnoses
from emdsl.model import graph as g
from emdsl.model.table import Table
from emdsl.source import Span

_MOST_ITEMS = 64  # a chain of choices is as deep as there are items


def entry(value: g.Expr, indices: tuple[g.Expr, ...], span: Span, table: Table) -> g.Expr | None:
    """The entry of an array of items or names; its indices are known to fit."""
    if not indices:
        return value
    index, rest = indices[0], indices[1:]
    match value, index:
        case g.Ref(), _:
            left = value.shape[len(indices) :]
            return g.Ref(value.name, value.role, (*value.indices, *indices), span, left)
        case g.ArrayOf(items=items), g.Number(value=int() as at):
            return entry(items[at], rest, span, table)
        case g.ArrayOf(items=items), g.Ref() | g.AxisRef() | g.Apply(op="sub"):
            if len(items) > _MOST_ITEMS:
                table.report(diagnoses.too_large(span, f"an index into {len(items)} items"))
                return None
            return _chosen(items, index, rest, span, table)
        case g.Apply(op="if", args=(test, then, orelse)), _:
            arms = [entry(arm, indices, span, table) for arm in (then, orelse)]
            return _if(test, arms[0], arms[1], span)
        case _:
            table.report(diagnoses.index_of_value(span))
            return None


def _chosen(
    items: tuple[g.Expr, ...],
    index: g.Expr,
    rest: tuple[g.Expr, ...],
    span: Span,
    table: Table,
) -> g.Expr | None:
    arms = [entry(item, rest, span, table) for item in items]
    result = arms[-1]
    for place, arm in reversed(list(enumerate(arms[:-1]))):
        result = _if(g.Apply("eq", (index, g.Number(place, span)), span), arm, result, span)
    return result


def _if(test: g.Expr, then: g.Expr | None, orelse: g.Expr | None, span: Span) -> g.Expr | None:
    if then is None or orelse is None:
        return None
    return g.Apply("if", (test, then, orelse), span, then.shape)
