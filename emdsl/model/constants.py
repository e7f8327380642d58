"""Constants: a `const`'s syntax folded into numbers and nested tuples of numbers."""

from __future__ import annotations

import math

from emdsl import diagnoses
from emdsl.model.graph import Fixed
from emdsl.model.kinds import Kind
from emdsl.model.table import Table, Value
from emdsl.syntax import ast

_EXACT = 1 << 64  # a whole number beyond this is computed as a float, so that powers stay small


def fold(node: ast.Expr, table: Table) -> Value | None:
    """The value of a constant expression; None, and a report, where it has none."""
    match node:
        case ast.Number():
            return _checked(node.value, node, table)
        case ast.Name() if node.id in table.values:
            table.used.add(node.id)
            return table.values[node.id]  # None where it was refused already
        case ast.Unary(op="-" | "+"):
            value = fold(node.operand, table)
            return _negated(value) if node.op == "-" and value is not None else value
        case ast.Binary(op="+" | "-" | "*" | "/" | "^"):
            return _binary(node, table)
        case ast.Array():
            return _array(node, table)
        case ast.Name(id=name):
            what = f"`{name}`, which is not a const above this line"
            table.report(diagnoses.not_constant(node.span, what))
            return None
        case _:
            table.report(diagnoses.not_constant(node.span, "this"))
            return None


def shape_of(value: Value) -> tuple[Fixed, ...]:
    """The dimensions of a folded array."""
    if not isinstance(value, tuple):
        return ()
    return (Fixed(len(value)), *(shape_of(value[0]) if value else ()))


def numbers(value: object) -> list[int | float]:
    """Every number in a folded value."""
    if isinstance(value, tuple):
        return [n for item in value for n in numbers(item)]
    return [value] if isinstance(value, int | float) else []


def kind_of_value(value: Value) -> Kind:
    """The type of a const that is declared without one."""
    entries = numbers(value)
    if all(isinstance(n, int) for n in entries):
        return "count" if all(n >= 0 for n in entries) else "int"
    return "positive" if all(n > 0 for n in entries) else "real"


def _negated(value: Value) -> Value:
    return tuple(_negated(v) for v in value) if isinstance(value, tuple) else -value


def _checked(value: float, node: ast.Expr, table: Table) -> int | float | None:
    if isinstance(value, int) and abs(value) < _EXACT:
        return value
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if math.isfinite(number):
        return number
    table.report(diagnoses.bad_arithmetic(node.span, "it is too large"))
    return None


def _binary(node: ast.Binary, table: Table) -> Value | None:
    left, right = fold(node.left, table), fold(node.right, table)
    if left is None or right is None:
        return None
    if isinstance(left, tuple) or isinstance(right, tuple):
        table.report(diagnoses.not_constant(node.span, "arithmetic on an array"))
        return None
    try:
        result = _apply(node.op, left, right)
    except ZeroDivisionError:
        table.report(diagnoses.bad_arithmetic(node.span, "it divides by zero"))
        return None
    except OverflowError:
        result = math.inf
    if isinstance(result, complex):
        table.report(diagnoses.bad_arithmetic(node.span, "it is a root of a negative number"))
        return None
    return _checked(result, node, table)


def _apply(op: str, left: float, right: float) -> int | float | complex:
    match op:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return left / right
        case _:
            small = isinstance(left, int) and isinstance(right, int) and 0 <= right <= 64
            power: int | float | complex = (left if small else float(left)) ** right
            return power


def _array(node: ast.Array, table: Table) -> Value | None:
    folded = [fold(item, table) for item in node.items]
    items = [item for item in folded if item is not None]
    if len(items) < len(folded):
        return None
    if not items:
        table.report(diagnoses.not_constant(node.span, "an empty array"))
        return None
    first = shape_of(items[0])
    for item, written in zip(items[1:], node.items[1:], strict=True):
        if shape_of(item) != first:
            table.report(diagnoses.uneven_array(written.span, _say(first), _say(shape_of(item))))
            return None
    return tuple(items)


def _say(shape: tuple[Fixed, ...]) -> str:
    return f"of shape {' x '.join(map(str, shape))}" if shape else "a number"
