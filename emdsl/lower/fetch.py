"""Statements that fetch what others need: parameters, inverses, sizes."""

from __future__ import annotations

from collections.abc import Mapping

from emdsl.derive.table import Atoms
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

_FEATURES = (("block", "rt.Blocks"), ("layout", "rt.Layout"), ("pivot", "rt.Params"))
_COEFFICIENTS = (("params", "rt.Params"), ("layout", "rt.Layout"), ("pivot", "rt.Params"))


def fetch_params(
    s: ScalarLowering,
    model: Model,
    names: Names,
    atoms: Atoms,
    source: str = "params",
    *,
    pivots: Mapping[str, tuple[int, ...]] | None = None,
    only: frozenset[str] | None = None,
) -> list[Stmt]:
    """Fetch the parameters, inverses and log determinants a lowering was found to need."""
    body: list[Stmt] = []
    derived: list[Stmt] = []
    needed: dict[str, None] = {}
    for key in sorted(s.wants):
        kind, _, name = key.partition(" ")
        if kind in ("param", "inv", "logdet") and any(p.name == name for p in model.params):
            needed[name] = None
    for name in needed:
        if only is not None and name not in only:
            continue
        body.append(fetch_param(name, s, model, names, source, pivots))
    for key in sorted(s.wants):
        kind, _, name = key.partition(" ")
        if only is not None and name not in only and kind in ("inv", "logdet"):
            continue
        if kind in ("inv", "logdet"):
            derived.append(matrix_function(kind, name, s, model, names))
    del atoms
    return [*body, *derived]


def fetch_param(
    name: str,
    s: ScalarLowering,
    model: Model,
    names: Names,
    source: str,
    pivots: Mapping[str, tuple[int, ...]] | None,
) -> Stmt:
    """`mean = params["mean"]`, less its pivot where it has one."""
    param = model.param(name)
    axes = tuple(Axis(f"{name}{i}", s.dim(e)) for i, e in enumerate(param.shape))
    stored = f"{source}[{quoted(name)}]"
    if pivots is None or name not in pivots:
        return Item(names[name], source, quoted(name), axes)
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
