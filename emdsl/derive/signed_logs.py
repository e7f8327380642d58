"""A density's body as numbers, each as its sign and the log of its size.

Products, powers and exponentials neither overflow nor underflow on the way:

    log |a b| = log |a| + log |b|,   log |a^p| = p log |a|,   log |exp a| = a

Reads the checked tree of the model; nothing of the file is ever executed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.model.graph import Apply, Expr, Number, Ref

Values = Any  # an array, or a number where nothing of it varies
SignedLog = tuple[Values, Values]


def signed_log(expr: Expr, at: Mapping[str, Values]) -> SignedLog:
    """The expression where its arguments have these values. Not-a-numbers where it has none."""
    match expr:
        case Apply(op="mul", args=(a, b)):
            (s, x), (t, y) = signed_log(a, at), signed_log(b, at)
            return s * t, _sum(x, y)
        case Apply(op="div", args=(a, b)):
            (s, x), (t, y) = signed_log(a, at), signed_log(b, at)
            return s * t, x - y
        case Apply(op="neg", args=(a,)):
            s, x = signed_log(a, at)
            return -s, x
        case Apply(op="add" | "sub", args=(a, b)):
            s, x = signed_log(a, at)
            t, y = signed_log(b, at)
            return _added(s, x, t if expr.op == "add" else -t, y)
        case Apply(op="pow", args=(a, b)):
            return _power(*signed_log(a, at), number(b, at))
        case Apply(op="sqrt", args=(a,)):
            return _power(*signed_log(a, at), 0.5)
        case Apply(op="abs", args=(a,)):
            s, x = signed_log(a, at)
            return np.abs(s), x
        case Apply(op="exp", args=(a,)):
            return 1.0, number(a, at)
        case Apply(op="logistic", args=(a,)):
            return 1.0, -np.logaddexp(0.0, -number(a, at))
        case Apply(op="if", args=(test, then, orelse)):
            holds = truth(test, at)
            (s, x), (t, y) = signed_log(then, at), signed_log(orelse, at)
            return np.where(holds, s, t), np.where(holds, x, y)
        case _:
            value = number(expr, at)
            return np.sign(value), np.log(np.abs(value))


def number(expr: Expr, at: Mapping[str, Values]) -> Values:
    """The expression's value, in floating numbers."""
    match expr:
        case Number(value=value):
            return float(value)
        case Ref(role="argument", name=name):
            return at[name]
        case Apply(op="if", args=(test, then, orelse)):
            return np.where(truth(test, at), number(then, at), number(orelse, at))
        case Apply(op=op, args=args) if op in _OPERATIONS:
            return _OPERATIONS[op](*(number(a, at) for a in args))
        case Apply():
            return np.asarray(truth(expr, at), dtype=float)
        case _:
            raise AssertionError(f"no number in a density: {expr}")


def truth(expr: Expr, at: Mapping[str, Values]) -> Values:
    """A test; a number holds where it isn't zero."""
    match expr:
        case Apply(op="and", args=(a, b)):
            return np.logical_and(truth(a, at), truth(b, at))
        case Apply(op="or", args=(a, b)):
            return np.logical_or(truth(a, at), truth(b, at))
        case Apply(op="not", args=(a,)):
            return np.logical_not(truth(a, at))
        case Apply(op=op, args=(a, b)) if op in _TESTS:
            return _TESTS[op](number(a, at), number(b, at))
        case _:
            return np.not_equal(number(expr, at), 0.0)


def _sum(x: Values, y: Values) -> Values:
    """log |a| + log |b|, and minus infinity where either is: 0 times anything is 0."""
    return np.where(np.equal(x, -np.inf) | np.equal(y, -np.inf), -np.inf, np.add(x, y))


def _power(sign: Values, log: Values, power: Values) -> SignedLog:
    """a^p; a negative a has whole powers only, and 0^0 is 1."""
    result = np.where(np.equal(power, 0.0), 0.0, power * np.asarray(log))
    return np.where(np.greater_equal(sign, 0.0), 1.0, np.power(np.asarray(sign), power)), result


def _added(s: Values, x: Values, t: Values, y: Values) -> SignedLog:
    top = np.maximum(x, y)
    top = np.where(np.isfinite(top), top, 0.0)
    total = np.asarray(s * np.exp(x - top) + t * np.exp(y - top))
    return np.sign(total), np.log(np.abs(total)) + top


def _log_gamma(a: Values) -> Values:
    from scipy.special import gammaln

    return gammaln(a)


_OPERATIONS: Mapping[str, Callable[..., Values]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.true_divide,
    "pow": lambda a, b: np.power(np.asarray(a, dtype=float), b), "neg": np.negative,
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "abs": np.abs, "sin": np.sin, "cos": np.cos,
    "tanh": np.tanh, "lgamma": _log_gamma,
    "logistic": lambda a: np.exp(-np.logaddexp(0.0, -np.asarray(a))),
}  # fmt: skip

_TESTS: Mapping[str, Callable[..., NDArray[np.bool_]]] = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal,
}  # fmt: skip
