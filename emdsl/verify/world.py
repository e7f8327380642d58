"""A model's expressions and densities as numbers at one place: slow, obvious, and underived.

Reads the model graph alone. Nothing here comes from `derive`, `inference` or `lower`, so that what
they make can be compared with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

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
    Extent,
    Fixed,
    Limited,
    Model,
    Number,
    Param,
    Ref,
    Size,
    SizeRef,
)

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class World:
    """A model with a number for every size and an array for every name.

    `places` are the plate indices in force; `arguments` the values inside a user's density.
    """

    model: Model
    sizes: Mapping[str, int]
    arrays: Arrays
    places: Mapping[str, int]
    arguments: Mapping[str, Any]

    def at(self, places: Mapping[str, int], arrays: Arrays) -> World:
        """The same world at other places, with some arrays replaced."""
        return World(
            self.model, self.sizes, {**self.arrays, **arrays}, {**self.places, **places}, {}
        )

    def extent(self, extent: Extent) -> int:
        """A size as a number."""
        if isinstance(extent, Fixed):
            return extent.value
        assert isinstance(extent, Size), "ragged plates are not enumerated"
        return self.sizes[extent.name]


def world_of(
    model: Model, data: Arrays, params: Arrays, sizes: Mapping[str, int] | None = None
) -> World:
    """The world of these data and parameters; sizes are read off both."""
    known: dict[str, int] = {s.name: s.default for s in model.sizes if s.default is not None}
    arrays = {name: np.asarray(value, dtype=float) for name, value in data.items()}
    for p in model.params:
        value = np.asarray(params[p.name], dtype=float)
        arrays[p.name] = value
        for dim, extent in enumerate(p.shape):
            if isinstance(extent, Size):
                known[extent.name] = value.shape[dim]
    for c in model.consts:
        if c.value is not None:
            arrays[c.name] = np.asarray(c.value, dtype=float)
    for s in model.sizes:
        for source in s.sources:
            if source.array in arrays and isinstance(source.dim, int):
                known[s.name] = arrays[source.array].shape[source.dim]
            elif source.array in arrays and s.name not in known:
                known[s.name] = int(np.nanmax(arrays[source.array])) + 1
    return World(model, {**known, **(sizes or {})}, arrays, {}, {})


# --- expressions -----------------------------------------------------------------------------


def value(expr: Expr, world: World) -> Any:
    """The number or array an expression stands for."""
    match expr:
        case Number(value=number):
            return number
        case Ref(role="argument", name=name):
            return world.arguments[name]
        case Ref(name=name, indices=indices):
            return world.arrays[name][tuple(int(value(i, world)) for i in indices)]
        case AxisRef(axis=axis):
            return world.places[axis]
        case SizeRef(extent=extent):
            return world.extent(extent)
        case ArrayOf(items=items):
            return np.array([value(i, world) for i in items], dtype=float)
        case Apply(op="if", args=(test, then, orelse)):
            return value(then if value(test, world) else orelse, world)
        case Apply(op="zeros", shape=shape):
            return np.zeros([world.extent(e) for e in shape])
        case Apply(op="ones", shape=shape):
            return np.ones([world.extent(e) for e in shape])
        case Apply(op="eye", shape=shape):
            return np.eye(world.extent(shape[0]))
        case Apply(op=op, args=args):
            return OPERATIONS[op](*(value(a, world) for a in args))


OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.true_divide,
    "pow": lambda a, b: np.power(np.asarray(a, dtype=float), b),
    "neg": np.negative, "matmul": np.matmul, "dot": np.dot, "sum": np.sum,
    "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "abs": np.abs, "sin": np.sin, "cos": np.cos,
    "tanh": np.tanh, "logistic": special.expit, "softmax": special.softmax,
    "lgamma": special.gammaln, "diag": np.diag,
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal, "and": np.logical_and, "or": np.logical_or, "not": np.logical_not,
}  # fmt: skip


# --- distributions ---------------------------------------------------------------------------


def log_density(dist: Distribution, x: Any, world: World) -> float:
    """log p(x), summed over the cells of an elementwise family; missing cells (NaN) count 0."""
    match dist:
        case Choice(test=test, then=then, orelse=orelse):
            return log_density(then if value(test, world) else orelse, x, world)
        case Limited():
            raise NotImplementedError("censoring and truncation are not enumerated")
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


def _at(array: NDArray[Any], event: int, cells: tuple[int, ...], cell: tuple[int, ...]) -> Any:
    """The argument's own value for a cell: it broadcasts to the cells as NumPy does."""
    own = array.shape[array.ndim - event :]
    return np.broadcast_to(array, (*cells, *own))[cell]


def _own(density: Density, x: Any, given: Mapping[str, Any], world: World) -> float:
    inside = World(
        world.model, world.sizes, world.arrays, world.places, {density.variable[0]: x, **given}
    )
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
    return math.fsum(log_density(param.prior, array[i], world) for i in np.ndindex(*batch))
