"""Lags and parents: `z[t-1]` needs a choice that keeps it from being read where there is no
`t - 1`, and `z[parent[t]]` one that keeps it from being read at a root.
"""

from __future__ import annotations

from collections.abc import Iterator

from emdsl import diagnoses
from emdsl.model import graph as g
from emdsl.model.show import show_expr
from emdsl.model.substitute import children
from emdsl.model.table import Table

_GIVEN = ("input", "const", "data")
_LONGEST = 64  # starts beyond this are not looked at one by one


def lag_of(index: g.Expr) -> tuple[str, int] | None:
    """`t - 2` ⇒ ("t", 2); None for any other index."""
    match index:
        case g.Apply(op="sub", args=(g.AxisRef(axis=axis), g.Number(value=int() as lag))) if lag:
            return axis, lag
        case _:
            return None


def parent_of(ref: g.Ref, plates: int) -> g.Ref | None:
    """`z[s, parent[s, t]]` ⇒ `parent[s, t]`: an input or a const that says which element."""
    for index in ref.indices[:plates]:
        if isinstance(index, g.Ref) and index.role in ("input", "const"):
            return index
    return None


def verify_lags(
    ref: g.Ref, owner: str, guards: tuple[tuple[g.Expr, bool], ...], table: Table
) -> None:
    """At every time before the lag's first, some test on the way must rule the reference out."""
    marked = any(_is_given(test) for test, _ in guards)  # an input may well mark the starts
    parent = parent_of(ref, len(table.names[ref.name].plates)) if ref.name == owner else None
    if parent is not None and not marked and not any(_has_axis(test) for test, _ in guards):
        axis = table.names[owner].plates[-1]
        shown = show_expr(parent)
        table.report(diagnoses.parent_without_root(ref.span, show_expr(ref), shown, axis))
    for index in ref.indices:
        found = lag_of(index)
        if found is None or marked:
            continue
        axis, lag = found
        if not starts_later(axis, lag, guards):
            table.report(diagnoses.lag_without_start(ref.span, show_expr(ref), axis, lag))


def starts_later(axis: str, lag: int, guards: tuple[tuple[g.Expr, bool], ...]) -> bool:
    """Whether tests, each with its outcome, rule out every time before the lag's first."""
    return all(_ruled_out(axis, time, guards) for time in range(min(lag, _LONGEST)))


def _ruled_out(axis: str, time: int, guards: tuple[tuple[g.Expr, bool], ...]) -> bool:
    return any(_at(test, axis, time) == (not outcome) for test, outcome in guards)


def _is_given(test: g.Expr) -> bool:
    """Whether a test looks at what is given: an input, a const, data or a size."""
    return any(
        isinstance(node, g.SizeRef) or (isinstance(node, g.Ref) and node.role in _GIVEN)
        for node in _parts(test)
    )


def _has_axis(test: g.Expr) -> bool:
    return any(isinstance(node, g.AxisRef) for node in _parts(test))


def _parts(expr: g.Expr) -> Iterator[g.Expr]:
    """An expression and everything in it, but not what stands in indices."""
    waiting = [expr]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, g.Ref):
            waiting.extend(children(node))


def _at(test: g.Expr, axis: str, time: int) -> bool | None:
    """The test's outcome at a time; None where it depends on more."""
    match test:
        case g.Apply(op="not", args=(inner,)):
            value = _at(inner, axis, time)
            return None if value is None else not value
        case g.Apply(op="and" | "or" as op, args=(left, right)):
            values = (_at(left, axis, time), _at(right, axis, time))
            decisive = op == "or"
            if decisive in values:
                return decisive
            return None if None in values else not decisive
        case g.Apply(op=op, args=(left, right)):
            return _compare(op, _number(left, axis, time), _number(right, axis, time))
        case _:
            return None


def _compare(op: str, left: float | None, right: float | None) -> bool | None:
    if left is None or right is None:
        return None
    return {
        "eq": left == right,
        "ne": left != right,
        "lt": left < right,
        "le": left <= right,
        "gt": left > right,
        "ge": left >= right,
    }.get(op)


def _number(expr: g.Expr, axis: str, time: int) -> float | None:
    match expr:
        case g.Number():
            return expr.value
        case g.AxisRef():
            return time if expr.axis == axis else None
        case g.Apply(op="add" | "sub" as op, args=(left, right)):
            first, second = _number(left, axis, time), _number(right, axis, time)
            if first is None or second is None:
                return None
            return first + second if op == "add" else first - second
        case _:
            return None
