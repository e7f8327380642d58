"""Statements that fetch consts where there are no blocks of data: beside the parameters."""

from __future__ import annotations

from emdsl.ir.nodes import Axis, Item, Stmt
from emdsl.lower.names import Names, quoted
from emdsl.lower.scalar import ScalarLowering
from emdsl.model.graph import Model


def fetch_consts(
    s: ScalarLowering, model: Model, names: Names, source: str = "layout.consts"
) -> list[Stmt]:
    """Fetch the consts that a lowering was found to need, whole or by their inverses."""
    out: list[Stmt] = []
    for const in model.consts:
        if any(f"{kind} {const.name}" in s.wants for kind in ("data", "inv", "logdet")):
            axes = tuple(Axis(f"{const.name}{i}", s.dim(e)) for i, e in enumerate(const.shape))
            out.append(Item(names[const.name], source, quoted(const.name), axes))
    return out
