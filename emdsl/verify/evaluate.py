"""A model's expressions and densities as numbers at one place: slow, obvious, and underived.

Reads the model graph alone. Nothing here comes from `derive`, `inference` or `lower`, so that what
they make can be compared with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, special

from emdsl.families import FAMILIES
from emdsl.families.evaluate import log_density as family_log_density
from emdsl.model.graph import (
    Apply,
    ArrayOf,
    AxisRef,
    Choice,
    Density,
    Distribution,
    Draw,
    Expr,
    Limited,
    Number,
    Param,
    Ref,
    SizeRef,
)
from emdsl.verify.world import World

# --- expressions -----------------------------------------------------------------------------


def value(expr: Expr, world: World) -> Any:
    """The number or array an expression stands for."""
    match expr:
        case Number(value=number):
            return number
        case Ref(role="argument", name=name):
            return world.arguments[name]
        case Ref(name=name, indices=indices):
            return world.read(name, tuple(int(value(i, world)) for i in indices))
        case AxisRef(axis=axis):
            return world.places[axis]
        case SizeRef(extent=extent):
            return world.extent(extent)
        case ArrayOf(items=items):
            return np.array([value(i, world) for i in items], dtype=float)
        case Apply(op="if", args=(test, then, orelse)):
            return value(then if value(test, world) else orelse, world)
        case Apply(op="and", args=(left, right)):  # what is on the right may not exist otherwise
            return bool(value(left, world)) and bool(value(right, world))
        case Apply(op="or", args=(left, right)):
            return bool(value(left, world)) or bool(value(right, world))
        case Apply(op="zeros", shape=shape):
            return np.zeros([world.extent(e) for e in shape])
        case Apply(op="ones", shape=shape):
            return np.ones([world.extent(e) for e in shape])
        case Apply(op="eye", shape=shape):
            return np.eye(world.extent(shape[0]))
        case Apply(op=op, args=args):
            return OPERATIONS[op](*(value(a, world) for a in args))


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "add": lambda a, b: np.multiply(a, 1) + np.multiply(b, 1),  # tests are 1 or 0
    "sub": lambda a, b: np.multiply(a, 1) - np.multiply(b, 1),
    "mul": np.multiply, "div": np.true_divide,
    "pow": lambda a, b: np.power(np.asarray(a, dtype=float), b),
    "neg": np.negative, "matmul": np.matmul, "dot": np.dot, "sum": np.sum,
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "abs": np.abs, "sin": np.sin, "cos": np.cos,
    "tanh": np.tanh, "logistic": special.expit, "softmax": special.softmax,
    "lgamma": special.gammaln, "diag": np.diag, "transpose": np.transpose,
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal, "not": np.logical_not,
}  # fmt: skip


# --- distributions ---------------------------------------------------------------------------


def log_density(dist: Distribution, x: Any, world: World) -> float:
    """log p(x), summed over the cells of an elementwise family; missing cells (NaN) count 0."""
    match dist:
        case Choice(test=test, then=then, orelse=orelse):
            return log_density(then if value(test, world) else orelse, x, world)
        case Limited():
            return _limited(dist, np.asarray(x, dtype=float), world)
        case Draw(family=name, args=args):
            given = {n: value(a, world) for n, a in args}
    own = {d.name: d for d in world.model.densities}.get(name)
    x = np.asarray(x, dtype=float)
    if own is not None:
        events = {p: len(t.shape) for p, t in own.parameters}
        rank = len(own.variable[1].shape)
    else:
        family = FAMILIES[name]
        rank = family.event
        events = {p.name: p.event for p in family.parameters}
        events |= {p.name: p.event for a in family.alternatives for p in a.parameters}
    cells = x.shape[: x.ndim - rank]
    total = 0.0
    for cell in np.ndindex(*cells):
        here = x[cell]
        if np.isnan(here).any():
            continue
        each = {n: _at(np.asarray(v, dtype=float), events[n], cells, cell)
                for n, v in given.items()}  # fmt: skip
        total += _own(own, here, each, world) if own is not None else _known(name, here, each)
    return total


def _limited(dist: Limited, x: NDArray[Any], world: World) -> float:
    """A density with limits, the probabilities by adding up (integrating) the base's density."""
    if dist.kind == "interval":
        left = -np.inf if np.isnan(x[0]) else float(x[0])
        right = np.inf if np.isnan(x[1]) else float(x[1])
        if left == right:
            return log_density(dist.base, left, world)
        return _log_probability(dist.base, left, right, world)
    lower, upper = (
        float(default if e is None else value(e, world))
        for e, default in ((dist.lower, -np.inf), (dist.upper, np.inf))
    )
    lower, upper = (-np.inf if np.isnan(lower) else lower), (np.inf if np.isnan(upper) else upper)
    total = 0.0
    for cell in np.ndindex(*x.shape):
        here = float(x[cell])
        if np.isnan(here):
            continue
        if dist.kind == "truncated":
            inside = log_density(dist.base, here, world) if lower <= here <= upper else -np.inf
            total += inside - _log_probability(dist.base, lower, upper, world)
        elif here >= upper:
            total += _log_probability(dist.base, upper, np.inf, world)
        elif here <= lower:
            total += _log_probability(dist.base, -np.inf, lower, world)
        else:
            total += log_density(dist.base, here, world)
    return total


def _log_probability(base: Draw, lower: float, upper: float, world: World) -> float:
    """log P(lower <= X <= upper) of a distribution of single numbers."""
    kind = {d.name: d.variable[1].kind for d in world.model.densities}.get(base.family)
    kind = FAMILIES[base.family].kind if kind is None else kind

    def density(x: float) -> float:
        return math.exp(log_density(base, x, world))

    if kind == "count":
        values = range(math.ceil(max(0.0, lower)), int(min(upper, 400.0)) + 1)
        return math.log(math.fsum(density(k) for k in values))
    ends = (
        max(lower, {"real": -np.inf}.get(kind, 0.0)),
        min(upper, 1.0 if kind == "unit" else np.inf),
    )
    middle = [e for e in np.linspace(-20.0, 20.0, 41) if ends[0] < e < ends[1]]
    cuts = [ends[0], *middle, ends[1]]
    parts = [
        integrate.quad(density, a, b, epsabs=0.0, epsrel=1e-11, limit=200)[0]
        for a, b in pairwise(cuts)
    ]
    return math.log(math.fsum(parts))


def _at(array: NDArray[Any], event: int, cells: tuple[int, ...], cell: tuple[int, ...]) -> Any:
    """The argument's own value for a cell: it broadcasts to the cells as NumPy does."""
    own = array.shape[array.ndim - event :]
    return np.broadcast_to(array, (*cells, *own))[cell]


def _own(density: Density, x: Any, given: Mapping[str, Any], world: World) -> float:
    inside = world.inside({density.variable[0]: x, **given})
    with np.errstate(all="ignore"):
        return float(_log(density.body, inside))


def _log(expr: Expr, world: World) -> Any:
    """log of a scalar expression; products and exponentials don't underflow on the way."""
    match expr:
        case Apply(op="mul", args=(a, b)):
            return _log(a, world) + _log(b, world)
        case Apply(op="div", args=(a, b)):
            return _log(a, world) - _log(b, world)
        case Apply(op="pow", args=(a, b)):
            power = value(b, world)
            return power * _log(a, world) if power != 0 else 0.0
        case Apply(op="exp", args=(a,)):
            return value(a, world)
        case Apply(op="if", args=(test, then, orelse)):
            return _log(then if value(test, world) else orelse, world)
        case _:
            return np.log(value(expr, world))


def _known(name: str, x: Any, given: Mapping[str, Any]) -> float:
    key = tuple((n, v.tobytes(), v.shape) for n, v in given.items())
    return _density(name, x.tobytes(), x.shape, key)


@lru_cache(maxsize=200_000)
def _density(
    name: str,
    x: bytes,
    shape: tuple[int, ...],
    given: tuple[tuple[str, bytes, tuple[int, ...]], ...],
) -> float:
    """A family's log density, remembered: discrete data ask for the same again and again."""
    arguments = {n: np.frombuffer(b).reshape(s) for n, b, s in given}
    return family_log_density(FAMILIES[name], np.frombuffer(x).reshape(shape), arguments)


def log_prior(world: World) -> float:
    """The log density of every parameter that has a prior."""
    return math.fsum(_prior(p, world) for p in world.model.params if p.prior is not None)


def _prior(param: Param, world: World) -> float:
    assert param.prior is not None
    array = world.arrays[param.name]
    batch = array.shape[: len(param.batch)]
    whole = math.fsum(log_density(param.prior, array[i], world) for i in np.ndindex(*batch))
    return whole - array.size * _log_mass(param, world)


def _log_mass(param: Param, world: World) -> float:
    """The log of the mass that a prior on more values than the parameter has on these."""
    lower, upper = {"positive": (0.0, np.inf), "unit": (0.0, 1.0)}.get(param.type.kind, (0.0, 0.0))
    prior = param.prior
    own = {d.name for d in world.model.densities}
    if lower == upper or not isinstance(prior, Draw) or prior.family in own:
        return 0.0
    family = FAMILIES[prior.family]
    if family.kind == param.type.kind or family.event:
        return 0.0

    def density(x: float) -> float:
        return math.exp(log_density(prior, x, world))

    jumps = []
    if family.condition is not None:  # at its arguments, if anywhere
        jumps = [float(value(a, world)) for _, a in prior.args]
    edges = sorted({lower, *(x for x in jumps if lower < x < upper), upper})
    parts = (integrate.quad(density, a, b, epsabs=1e-12, limit=500)[0] for a, b in pairwise(edges))
    return math.log(math.fsum(parts))
