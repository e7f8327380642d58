"""Replace plate axes in an expression: `eta[n]` used as `eta[g[m]]` is `eta` with n ⇒ g[m]."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from emdsl.model import graph as g

_LARGEST = 4000
_DEEPEST = 200  # deeper ones would meet Python's own limit in some later stage


def substitute(expr: g.Expr, axes: Mapping[str, g.Expr]) -> g.Expr:
    """The expression with every axis replaced; itself where nothing changes."""
    changing = {
        axis: by for axis, by in axes.items() if not (isinstance(by, g.AxisRef) and by.axis == axis)
    }
    return _substitute(expr, changing) if changing else expr


def _substitute(expr: g.Expr, axes: Mapping[str, g.Expr]) -> g.Expr:
    match expr:
        case g.AxisRef():
            return axes.get(expr.axis, expr)
        case g.Ref():
            return replace(expr, indices=tuple(_substitute(i, axes) for i in expr.indices))
        case g.Apply(op="sub", args=(g.AxisRef() as axis, g.Number() as lag)):
            return _shift(axes.get(axis.axis, axis), lag, expr)
        case g.Apply():
            return replace(expr, args=tuple(_substitute(a, axes) for a in expr.args))
        case g.ArrayOf():
            return replace(expr, items=tuple(_substitute(i, axes) for i in expr.items))
        case _:
            return expr


def _shift(base: g.Expr, lag: g.Number, expr: g.Apply) -> g.Expr:
    """(t - 2) - 1 ⇒ t - 3"""
    match base:
        case g.Apply(op="sub", args=(g.AxisRef() as axis, g.Number() as inner)):
            total = replace(lag, value=lag.value + inner.value)
            return replace(expr, args=(axis, total))
        case _:
            return replace(expr, args=(base, lag))


def is_small(expr: g.Expr) -> bool:
    """Whether an expression, its lets written out, can be compiled in reasonable time."""
    count = 0
    waiting = [(expr, 1)]
    while waiting:
        node, level = waiting.pop()
        count += 1
        if count > _LARGEST or level > _DEEPEST:
            return False
        waiting.extend((child, level + 1) for child in children(node))
    return True


def children(expr: g.Expr) -> tuple[g.Expr, ...]:
    """The expressions right inside one."""
    match expr:
        case g.Ref():
            return expr.indices
        case g.Apply():
            return expr.args
        case g.ArrayOf():
            return expr.items
        case _:
            return ()
