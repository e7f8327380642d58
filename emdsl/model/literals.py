"""Parts of an expression that are made of numbers alone: each must be a number too.

`m / 0`, `log(-1)` and `9^9^9` are found here, before any algebra is done with them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from emdsl import diagnoses
from emdsl.model import graph as g
from emdsl.model.support import constant_entry
from emdsl.model.table import Table


class _NoNumber(Exception):
    """Why an operation on numbers has no value."""


def verify_number(expr: g.Expr, table: Table) -> bool:
    """Whether an operation has a value; a report says why where numbers alone give it none."""
    try:
        _verify_divisor(expr, table)
        _value(expr, table)
    except _NoNumber as why:
        table.report(diagnoses.bad_arithmetic(expr.span, str(why)))
        return False
    return True


def _verify_divisor(expr: g.Expr, table: Table) -> None:
    if isinstance(expr, g.Apply) and expr.op == "div" and _value(expr.args[1], table) == 0:
        raise _NoNumber("it divides by zero")


def _value(expr: g.Expr, table: Table) -> float | None:
    """The value of an expression of numbers, None where it has anything else in it."""
    match expr:
        case g.Number():
            return float(expr.value)
        case g.Ref(role="const"):
            return constant_entry(expr, table)
        case g.Apply(op=op, args=args) if op in _OPERATIONS and not expr.shape:
            values = [_value(arg, table) for arg in args]
            known = [v for v in values if v is not None]
            return _apply(op, known) if len(known) == len(values) else None
        case _:
            return None


def _apply(op: g.Op, values: list[float]) -> float:
    try:
        value = _OPERATIONS[op](*values)
    except ZeroDivisionError:
        raise _NoNumber("it divides by zero") from None
    except OverflowError:
        value = math.inf
    except ValueError:
        raise _NoNumber(f"there is no {op} of {values[0]:g}") from None
    if isinstance(value, complex):
        raise _NoNumber("it is a root of a negative number")
    if not math.isfinite(value):
        raise _NoNumber("it is too large")
    if value == 0.0 and op in ("pow", "exp") and values[0] != 0.0:
        raise _NoNumber("it is too small")
    return float(value)


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x > -700.0 else 0.0


_OPERATIONS: Mapping[g.Op, Callable[..., float | complex]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "neg": lambda a: -a,
    "abs": abs,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "logistic": _logistic,
    "lgamma": math.lgamma,
}
