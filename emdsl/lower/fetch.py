"""Statements that fetch what others need: parameters, inverses, sizes."""

from __future__ import annotations

from collections.abc import Mapping

from emdsl.ir.nodes import (
    Array,
    Assign,
    Axis,
    Item,
    Kernel,
    Lit,
    Map,
    Stmt,
    Whole,
)
from emdsl.ir.used import names_in
from emdsl.lower.names import Names, quoted
from emdsl.lower.scalar import ScalarLowering
from emdsl.model.graph import Model


def fetch_params(
    s: ScalarLowering,
    model: Model,
    names: Names,
    pivots: Mapping[str, tuple[int, ...]] | None = None,
) -> list[Stmt]:
    """Fetch the parameters, inverses and log determinants a lowering was found to need."""
    params = {p.name for p in model.params}
    needed: dict[str, None] = {}
    derived: list[Stmt] = []
    for key in sorted(s.wants):
        kind, _, name = key.partition(" ")
        if kind in ("param", "inv", "logdet") and name in params:
            needed[name] = None
        if kind in ("inv", "logdet"):
            derived.append(matrix_function(kind, name, s, model, names))
    return [*(fetch_param(name, s, model, names, pivots) for name in needed), *derived]


def fetch_param(
    name: str,
    s: ScalarLowering,
    model: Model,
    names: Names,
    pivots: Mapping[str, tuple[int, ...]] | None,
) -> Stmt:
    """`mean = params["mean"]`, less its pivot where it has one."""
    param = model.param(name)
    axes = tuple(Axis(f"{name}{i}", s.dim(e)) for i, e in enumerate(param.shape))
    stored = f"params[{quoted(name)}]"
    if pivots is None or name not in pivots:
        return Item(names[name], "params", quoted(name), axes)
    kept = tuple(axes[i] for i in pivots[name])
    less = Map("mul", (Lit(-1), Array(f"pivot[{quoted(name)}]", kept)))
    return Assign(names[name], Whole(Map("add", (Array(stored, axes), less)), axes))


def matrix_function(kind: str, name: str, s: ScalarLowering, model: Model, names: Names) -> Stmt:
    """`inv_cov = nm.inverse(cov)` or `logdet_cov = nm.logdet(cov)`."""
    const = next((c for c in model.consts if c.name == name), None)
    shape = const.shape if const is not None else model.param(name).shape
    axes = tuple(Axis(f"{name}{i}", s.dim(e)) for i, e in enumerate(shape))
    whole = Whole(Array(names[name], axes), axes)
    if kind == "inv":
        return Assign(f"inv_{names[name]}", Whole(Kernel("inverse", (whole,), axes), axes))
    return Assign(f"logdet_{names[name]}", Whole(Kernel("logdet", (whole,), axes[:-2]), axes[:-2]))


def sizes_of(body: list[Stmt], s: ScalarLowering, model: Model) -> list[Stmt]:
    """Fetch the sizes that the statements name."""
    used = names_in(body)
    out: list[Stmt] = []
    for size in model.sizes:
        name = s.names[size.name]
        if name in used:
            out.append(Item(name, "layout.sizes", quoted(size.name)))
    return out
