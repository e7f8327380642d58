"""The array program's meaning, entry by entry: slow and obvious, the oracle of the printers.

    value(expr, env, at)   the number an expression has at one place of its axes
    whole(w, env)          the array it has over the axes asked for

`env` holds arrays in storage order and sizes by name; `at` says where each axis stands. Nothing
here broadcasts, transposes or contracts: a sum is a loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emdsl.diagnostics import Bug
from emdsl.ir.nodes import (
    Array,
    Axis,
    Contract,
    Expr,
    Gather,
    Kernel,
    Lit,
    Map,
    Range,
    Whole,
    axes_of,
)

Env = Mapping[str, Any]  # arrays and sizes by name
Place = Mapping[Axis, int]
Kernels = Mapping[str, Callable[..., Any]]


def size(axis: Axis, env: Env) -> int:
    """How long an axis is."""
    return int(env[axis.dim]) if isinstance(axis.dim, str) else axis.dim


def places(axes: tuple[Axis, ...], env: Env) -> Iterator[dict[Axis, int]]:
    """Every place of these axes, the last moving fastest."""
    for at in product(*(range(size(a, env)) for a in axes)):
        yield dict(zip(axes, at, strict=True))


def whole(w: Whole, env: Env, kernels: Kernels | None = None) -> NDArray[Any]:
    """The array of an expression over exactly the axes stated.

    Where `full` is False an axis that the expression hasn't got has length one.
    """
    own = set(axes_of(w.value))
    shape = [size(a, env) if w.full or a in own else 1 for a in w.axes]
    out = np.empty(shape)
    for at in np.ndindex(*shape):
        out[at] = value(w.value, env, dict(zip(w.axes, at, strict=True)), kernels)
    return out


def value(expr: Expr, env: Env, at: Place, kernels: Kernels | None = None) -> Any:
    """The number an expression has at one place."""
    match expr:
        case Lit(value=number):
            return number
        case Array(name=name, axes=axes):
            return np.asarray(env[name])[tuple(at[a] for a in axes)]
        case Range(axis=axis):
            return at[axis]
        case Gather(name=name, places=where):
            index = (at[p] if isinstance(p, Axis) else int(value(p, env, at, kernels))
                     for p in where)  # fmt: skip
            return np.asarray(env[name])[tuple(index)]
        case Contract(args=args, sums=sums):
            total = 0.0
            for inner in places(sums, env):
                term = 1.0
                for arg in args:
                    term = term * value(arg, env, {**at, **inner}, kernels)
                total = total + term
            return total
        case Kernel(func=func, args=args, axes=axes):
            if kernels is None or func not in kernels:
                raise Bug(f"no meaning of kernel {func} was given")
            given = [whole(a, env, kernels) if isinstance(a, Whole) else a for a in args]
            return np.asarray(kernels[func](*given))[tuple(at[a] for a in axes)]
        case Map(op="where", args=(test, then, orelse)):
            return value(then if value(test, env, at, kernels) else orelse, env, at, kernels)
        case Map(op=op, args=args):
            return OPERATIONS[op]([value(a, env, at, kernels) for a in args])


def _log(x: float) -> float:
    if math.isnan(x) or x < 0.0:
        return math.nan
    return math.log(x) if x > 0.0 else -math.inf


def _pow(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except ValueError:
        if base < 0.0:
            return math.nan
        return math.inf


def _div(top: float, bottom: float) -> float:
    if bottom == 0.0:
        return math.nan if top == 0.0 or math.isnan(top) else math.copysign(math.inf, top)
    return top / bottom


def _abs_power(x: float, power: float, logs: int, signs: int) -> float:
    """|x|^power (log |x|)^logs sign(x)^signs, zero at zero unless it is |x|^0."""
    if x == 0.0:
        return float(power == 0.0 and logs == 0 and signs == 0)
    size = abs(x)
    return _pow(size, power) * math.log(size) ** logs * (math.copysign(1.0, x) if signs else 1.0)


def _i0(x: float) -> float:
    """The modified Bessel function of order zero, by its series: sum_k (x/2)^(2k) / k!^2."""
    term = total = 1.0
    k = 1
    while term > 1e-17 * total:
        term *= (x / 2.0) ** 2 / k**2
        total += term
        k += 1
    return total


OPERATIONS: Mapping[str, Callable[[list[Any]], Any]] = {
    "add": math.fsum,
    "mul": math.prod,
    "div": lambda a: _div(*a),
    "pow": lambda a: _pow(*a),
    "neg": lambda a: -a[0],
    "eq": lambda a: a[0] == a[1],
    "ne": lambda a: a[0] != a[1],
    "lt": lambda a: a[0] < a[1],
    "le": lambda a: a[0] <= a[1],
    "gt": lambda a: a[0] > a[1],
    "ge": lambda a: a[0] >= a[1],
    "and": lambda a: all(map(bool, a)),
    "or": lambda a: any(map(bool, a)),
    "not": lambda a: not a[0],
    "log": lambda a: _log(a[0]),
    "safelog": lambda a: _log(max(a[0], 2.2250738585072014e-308)),
    "log1p": lambda a: math.log1p(a[0]),
    "log1p_ratio": lambda a: math.log1p(a[0] / max(a[1], 2.2250738585072014e-308)),
    "log_inside": lambda a: math.log(a[0]) if a[0] else 0.0,
    "exp": lambda a: math.exp(a[0]),
    "sqrt": lambda a: math.sqrt(max(a[0], 0.0)),
    "abs": lambda a: abs(a[0]),
    "sin": lambda a: math.sin(a[0]),
    "cos": lambda a: math.cos(a[0]),
    "tanh": lambda a: math.tanh(a[0]),
    "lgamma": lambda a: math.lgamma(a[0]),
    "xlogy": lambda a: a[0] * math.log(a[1]) if a[0] else 0.0,
    "atan2": lambda a: math.atan2(*a),
    "i0": lambda a: _i0(a[0]),
    "log_i0": lambda a: math.log(_i0(a[0])),
    "abs_power": lambda a: _abs_power(*a),
    "log1pexp": lambda a: max(a[0], 0.0) + math.log1p(math.exp(-abs(a[0]))),
    "indicator": lambda a: 1.0 if a[0] else 0.0,
    "log_indicator": lambda a: 0.0 if a[0] else -math.inf,
}
