"""A family's log density as a number, by walking its SymPy tree: slow and obvious, for oracles.

Knows no family. Products take 0 x -oo to be 0, so that counts of impossible events that did not
happen weigh nothing; lowered code has to do the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, reduce
from typing import Any

import numpy as np
import sympy as sp
from scipy import special

from emdsl.families import cumulative as cum
from emdsl.families import vocabulary as voc
from emdsl.families.family import Family

Value = Any  # a float or an array: NumPy's scalars are both


def log_density(family: Family, x: object, arguments: Mapping[str, object]) -> float:
    """log p(x) with the arguments by name, canonical or those of one alternative.

    Minus infinity outside the condition. Defaults are filled in.
    """
    given = {p.name: p.default for p in family.parameters if p.default is not None}
    a = None
    if not {p.name for p in family.parameters} <= {*given, *arguments}:
        a = family.alternative({*given, *arguments})
    given = {n: v for n, v in given.items() if a is None or n not in a.replaces}
    environment = {
        family.symbol(name): np.asarray(value, dtype=float)
        for name, value in {**given, **arguments}.items()
    }
    environment[family.variable] = np.asarray(x, dtype=float)
    with np.errstate(all="ignore"):
        for name, canonical in () if a is None else a.canonical:
            environment.setdefault(family.symbol(name), evaluate(canonical, environment))
        if family.condition is not None and not evaluate(family.condition, environment):
            return -np.inf
        return float(evaluate(family.log_density_in({*given, *arguments}), environment))


def evaluate(expression: sp.Basic, environment: Mapping[sp.Symbol, Value]) -> Value:
    """The expression's value with these values of its symbols; vectors are elementwise."""
    return _function(expression)(environment)


@cache
def _function(expression: sp.Basic) -> Callable[[Mapping[sp.Symbol, Value]], Value]:
    """The expression as a function of its symbols' values: SymPy's trees are slow to walk."""
    if isinstance(expression, sp.Symbol):
        return lambda environment: environment[expression]
    if isinstance(expression, sp.Number | sp.NumberSymbol):
        number = float(expression)
        return lambda _: number
    if expression in (sp.true, sp.false):
        truth = bool(expression)
        return lambda _: truth
    operation = OPERATIONS.get(expression.func)
    if operation is None:
        raise NotImplementedError(f"no numbers for {expression.func}")
    parts = [_function(e) for e in expression.args]
    return lambda environment: operation(*[part(environment) for part in parts])


def _product(*factors: Value) -> Value:
    zero = reduce(np.logical_or, [np.equal(f, 0) for f in factors])
    return np.where(zero, 0.0, reduce(np.multiply, factors))


def _at(p: Value, x: Value) -> Value:
    return p[..., int(x)] if 0 <= x < np.shape(p)[-1] else np.nan


def _log_multi_gamma(a: Value, d: Value) -> Value:
    return d * (d - 1) / 4 * np.log(np.pi) + sum(special.gammaln(a - j / 2) for j in range(int(d)))


OPERATIONS: Mapping[Any, Callable[..., Value]] = {
    sp.Add: lambda *terms: reduce(np.add, terms),
    sp.Mul: _product,
    sp.Pow: lambda base, power: np.power(np.asarray(base, dtype=float), power),
    sp.exp: np.exp,
    sp.log: np.log,
    sp.cos: np.cos,
    sp.Abs: np.abs,
    sp.loggamma: special.gammaln,
    sp.besseli: special.iv,
    sp.Eq: np.equal,
    sp.Le: np.less_equal,
    sp.Ge: np.greater_equal,
    sp.Lt: np.less,
    sp.Gt: np.greater,
    sp.And: lambda *tests: reduce(np.logical_and, tests),
    voc.At: _at,
    voc.Total: lambda e: np.sum(e, axis=-1),
    voc.Dim: lambda v: np.shape(v)[-1],
    voc.MatInv: np.linalg.inv,
    voc.LogDet: lambda s: np.linalg.slogdet(s)[1],
    voc.QuadInv: lambda s, v: v @ np.linalg.solve(s, v),
    voc.TraceInv: lambda s, m: np.trace(np.linalg.solve(s, m)),
    voc.LogMultiGamma: _log_multi_gamma,
    voc.LogRising: lambda x, d: special.gammaln(x + d) - special.gammaln(x),
    cum.LogNdtr: lambda z: np.log(special.erfc(-np.asarray(z) / np.sqrt(2)) / 2),
    voc.LogIndicator: lambda test: np.where(test, 0.0, -np.inf),
}
